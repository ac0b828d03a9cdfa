//! Completion of flags in shells.

use super::{App, FlagKind};

/// All spellings of visible flags.
fn spellings(app: &App) -> Vec<String> {
    let mut all = vec!["--help".to_owned(), "--version".to_owned()];
    for flag in app.visible() {
        all.push(format!("--{}", flag.name));
        if flag.kind == FlagKind::Bool {
            all.push(format!("--no-{}", flag.name));
        }
    }
    all
}

/// What `--completion-bash` prints: the spellings that start with the last word, one a line.
pub fn words(app: &App, typed: &[String]) -> String {
    let last = typed.last().map_or("", String::as_str);
    let all = spellings(app).into_iter().filter(|s| s.starts_with(last));
    all.map(|s| s + "\n").collect()
}

/// A script for bash.
pub fn bash(app: &App) -> String {
    let name = &app.name;
    let function = function_name(name);
    let list = spellings(app).join(" ");
    format!(
        "{function}() {{\n    local flags=\"{list}\"\n    \
         mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"${{COMP_WORDS[COMP_CWORD]}}\")\n}}\n\
         complete -o default -F {function} {name}\n"
    )
}

/// A script for zsh.
pub fn zsh(app: &App) -> String {
    let name = &app.name;
    let function = function_name(name);
    let list = spellings(app).join(" ");
    format!(
        "#compdef {name}\n{function}() {{\n    compadd -- {list}\n    _files\n}}\ncompdef {function} {name}\n"
    )
}

/// A script for fish.
pub fn fish(app: &App) -> String {
    let mut text = format!(
        "complete -c {0} -l help\ncomplete -c {0} -l version\n",
        app.name
    );
    for flag in app.visible() {
        let help = first_sentence(flag.help).replace('\'', "\\'");
        let value = if flag.kind == FlagKind::Bool {
            ""
        } else {
            " -r"
        };
        text += &format!(
            "complete -c {} -l {}{value} -d '{help}'\n",
            app.name, flag.name
        );
        if flag.kind == FlagKind::Bool {
            text += &format!("complete -c {} -l no-{}\n", app.name, flag.name);
        }
    }
    text
}

fn first_sentence(help: &str) -> &str {
    let help = help.trim();
    help.split_once(". ")
        .map_or(help, |(first, _)| first)
        .trim_end_matches('.')
}

fn function_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("_{}", name.chars().map(plain).collect::<String>())
}
