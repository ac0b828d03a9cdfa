//! How collectors read the kernel: files and directories that stay open from scrape to scrape,
//! netlink, and the number and name rules all of them share.

pub mod dbus;
pub mod directory;
pub mod file;
pub mod filter;
pub mod names;
pub mod netlink;
pub mod text;

pub use directory::{Device, Devices, glob, list};
pub use file::{KernelFile, SharedFile, Short, Unread, read_once, short_once, uint_once};
pub use filter::Filter;
