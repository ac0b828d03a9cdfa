//! Why a server did not answer.

use mysql_async::{DriverError, Error as Driver, IoError};
use std::fmt;

/// Why a statement has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The server refused it. The connection lives on.
    Server {
        /// Error number, such as 1227.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The connection could not be made or is gone.
    Connection(String),
    /// The answer is not what was expected.
    Answer(String),
}

/// Error numbers that collectors go by.
pub mod code {
    /// A syntax error, as from a statement that a version does not know.
    pub const SYNTAX: u16 = 1064;
    /// Unknown table of information_schema.
    pub const UNKNOWN_TABLE: u16 = 1109;
    /// No such table.
    pub const NO_SUCH_TABLE: u16 = 1146;
    /// Unknown system variable.
    pub const UNKNOWN_VARIABLE: u16 = 1193;
    /// Unknown storage engine.
    pub const UNKNOWN_ENGINE: u16 = 1286;
}

/// Numbers that mean that the account may not: database, table, column, routine, a privilege that
/// is named, and the view whose definer may not.
const DENIED: [u16; 7] = [1044, 1142, 1143, 1227, 1345, 1356, 1370];

impl Error {
    /// Whether the account lacks a privilege.
    pub fn is_denied(&self) -> bool {
        matches!(self, Error::Server { code, .. } if DENIED.contains(code))
    }

    /// Whether the server answered with this error number.
    pub fn is(&self, number: u16) -> bool {
        matches!(self, Error::Server { code, .. } if *code == number)
    }

    /// An answer that is not what was expected.
    pub fn answer(what: impl fmt::Display) -> Self {
        Error::Answer(what.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Server { code, message } => write!(f, "error {code}: {message}"),
            Error::Connection(why) | Error::Answer(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

impl From<Driver> for Error {
    fn from(error: Driver) -> Self {
        match error {
            Driver::Server(error) => Error::Server {
                code: error.code,
                message: error.message,
            },
            Driver::Driver(DriverError::UnexpectedPacket { .. }) => {
                Error::Connection("the server sent a packet that does not belong there".to_owned())
            }
            Driver::Driver(error) => Error::Connection(error.to_string()),
            Driver::Io(IoError::Io(error)) => Error::Connection(error.to_string()),
            Driver::Io(error) => Error::Connection(error.to_string()),
            Driver::Other(error) => Error::Connection(error.to_string()),
            Driver::Url(error) => Error::Connection(error.to_string()),
        }
    }
}
