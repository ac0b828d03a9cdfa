//! A process that does what its standard input says, one command a line, and answers each with a
//! line. It ends with its input.

use std::fs::File;
use std::io::{BufRead, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A thread that takes orders and tells when each is done.
struct Worker {
    name: String,
    orders: Sender<String>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
}

/// What the process holds.
#[derive(Default)]
struct Workload {
    files: Vec<File>,
    workers: Vec<Worker>,
    children: Vec<Child>,
}

fn main() {
    let mut workload = Workload::default();
    println!("ready");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        workload.run(command, argument);
        println!("done");
    }
    workload.reap();
}

impl Workload {
    fn run(&mut self, command: &str, argument: &str) {
        match command {
            "burn" => burn(argument),
            "open" => {
                for _ in 0..argument.parse().unwrap() {
                    self.files.push(File::open("/dev/null").unwrap());
                }
            }
            "thread" => self.start(argument),
            "tell" => {
                let (name, order) = argument.split_once(' ').unwrap();
                let worker = self.workers.iter().find(|w| w.name == name).unwrap();
                worker.orders.send(order.to_owned()).unwrap();
                worker.done.recv().unwrap();
            }
            "stop" => {
                let at = self.workers.iter().position(|w| w.name == argument);
                let worker = self.workers.swap_remove(at.unwrap());
                drop(worker.orders);
                worker.thread.join().unwrap();
            }
            // A process like this one with these arguments.
            "fork" => {
                let mut child = Command::new(std::env::current_exe().unwrap());
                child.args(argument.split(' '));
                child.stdin(Stdio::piped()).stdout(Stdio::null());
                self.children.push(child.spawn().unwrap());
            }
            // So many processes that end at once, one after the other.
            "churn" => {
                for _ in 0..argument.parse().unwrap() {
                    let mut child = Command::new("/bin/true");
                    child.stdin(Stdio::null()).stdout(Stdio::null());
                    assert!(child.status().unwrap().success());
                }
            }
            "reap" => self.reap(),
            other => panic!("unknown command {other}"),
        }
    }

    fn start(&mut self, name: &str) {
        let (orders, inbox) = channel::<String>();
        let (told, done) = channel();
        let work = move || {
            told.send(()).unwrap();
            for order in inbox {
                let (command, argument) = order.split_once(' ').unwrap();
                match command {
                    "burn" => burn(argument),
                    "write" => write(argument),
                    "rename" => std::fs::write("/proc/thread-self/comm", argument).unwrap(),
                    other => panic!("unknown order {other}"),
                }
                told.send(()).unwrap();
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(work).unwrap();
        done.recv().unwrap();
        self.workers.push(Worker {
            name: name.to_owned(),
            orders,
            done,
            thread,
        });
    }

    fn reap(&mut self) {
        for mut child in self.children.drain(..) {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}

/// Spends so many hundredths of a second of this thread's processor time.
fn burn(hundredths: &str) {
    let wanted: u64 = hundredths.parse().unwrap();
    let start = spent();
    while spent() < start + wanted {
        std::hint::black_box((0..10_000u64).sum::<u64>());
    }
}

/// Writes so many KiB to a file beside the program, which is gone afterwards.
fn write(kibibytes: &str) {
    let length: usize = kibibytes.parse().unwrap();
    let dir = std::env::current_exe().unwrap();
    let mut file = tempfile::tempfile_in(dir.parent().unwrap()).unwrap();
    file.write_all(&vec![1; length << 10]).unwrap();
}

/// Hundredths of a second that this thread has been on a processor.
fn spent() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 100 + time.tv_nsec as u64 / 10_000_000
}
