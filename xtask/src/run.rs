//! Other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The cargo that runs us, or the one on the path, in the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(root());
    command
}

/// Whether a program is on the path.
pub fn exists(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Runs to success, the output going where ours goes.
pub fn check(command: &mut Command) -> Result<(), String> {
    let status = command
        .status()
        .map_err(|e| format!("{}: {e}", shown(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} failed: {status}", shown(command)))
    }
}

/// Runs to success; what the program says is part of the error, else dropped. For programs that run
/// at the same time.
pub fn quietly(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|e| format!("{}: {e}", shown(command)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!(
        "{} failed: {}\n{}",
        shown(command),
        output.status,
        String::from_utf8_lossy(&said).trim_end()
    ))
}

/// Runs to success and gives its standard output.
pub fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("{}: {e}", shown(command)))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("{} failed: {}", shown(command), output.status))
    }
}

/// The same as text without its last newline.
pub fn text(command: &mut Command) -> Result<String, String> {
    let bytes = output(command)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|w| w.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

/// Takes the values of `--name VALUE` and `--name=VALUE` out of the arguments.
pub fn take_options(arguments: &mut Vec<String>, name: &str) -> Result<Vec<String>, String> {
    let mut values = Vec::new();
    let prefix = format!("{name}=");
    while let Some(at) = arguments
        .iter()
        .position(|a| a == name || a.starts_with(&prefix))
    {
        let argument = arguments.remove(at);
        match argument.strip_prefix(&prefix) {
            Some(value) => values.push(value.to_owned()),
            None if at < arguments.len() => values.push(arguments.remove(at)),
            None => return Err(format!("{name} wants a value")),
        }
    }
    Ok(values)
}

/// The number that an option has.
pub fn number(value: Option<String>, default: usize) -> Result<usize, String> {
    match value {
        Some(text) => text
            .parse()
            .map_err(|_| format!("expected a number, got {text:?}")),
        None => Ok(default),
    }
}

/// Takes `--name` out of the arguments and tells whether it was there.
pub fn take_switch(arguments: &mut Vec<String>, name: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|a| a != name);
    arguments.len() < before
}

/// No argument may be left over that looks like an option.
pub fn no_options(arguments: &[String]) -> Result<(), String> {
    match arguments.iter().find(|a| a.starts_with('-')) {
        Some(option) => Err(format!("unknown option {option}")),
        None => Ok(()),
    }
}
