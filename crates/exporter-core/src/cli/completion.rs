//! Completion of flags in shells.

use super::app::Style;
use super::{App, FlagKind};

/// All spellings of visible flags.
fn spellings(app: &App, style: Style) -> Vec<String> {
    let dash = style.dash();
    let mut all = vec![format!("{dash}help")];
    if style == Style::Kingpin {
        all.push("--version".to_owned());
    }
    for flag in app.visible() {
        all.push(format!("{dash}{}", flag.name));
        if style.negates(flag) {
            all.push(format!("--no-{}", flag.name));
        }
    }
    all
}

/// What `--completion-bash` prints: the spellings that start with the last word, one a line.
pub fn words(app: &App, typed: &[String]) -> String {
    let last = typed.last().map_or("", String::as_str);
    let all = spellings(app, Style::Kingpin)
        .into_iter()
        .filter(|s| s.starts_with(last));
    all.map(|s| s + "\n").collect()
}

/// A script for bash.
pub fn bash(app: &App, style: Style) -> String {
    let name = &app.name;
    let function = function_name(name);
    let list = spellings(app, style).join(" ");
    format!(
        "{function}() {{\n    local flags=\"{list}\"\n    \
         mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"${{COMP_WORDS[COMP_CWORD]}}\")\n}}\n\
         complete -o default -F {function} {name}\n"
    )
}

/// A script for zsh.
pub fn zsh(app: &App, style: Style) -> String {
    let name = &app.name;
    let function = function_name(name);
    let list = spellings(app, style).join(" ");
    format!(
        "#compdef {name}\n{function}() {{\n    compadd -- {list}\n    _files\n}}\ncompdef {function} {name}\n"
    )
}

/// A script for fish.
pub fn fish(app: &App, style: Style) -> String {
    let name = &app.name;
    // Long words behind one dash are an older custom that fish knows.
    let option = match style {
        Style::GoFlag => "-o",
        Style::Kingpin | Style::Pflag => "-l",
    };
    let mut text = format!("complete -c {name} {option} help\n");
    if style == Style::Kingpin {
        text += &format!("complete -c {name} -l version\n");
    }
    for flag in app.visible() {
        let help = first_sentence(flag.help).replace('\'', "\\'");
        let value = match flag.kind {
            FlagKind::Bool => "",
            _ => " -r",
        };
        text += &format!(
            "complete -c {name} {option} {}{value} -d '{help}'\n",
            flag.name
        );
        if style.negates(flag) {
            text += &format!("complete -c {name} -l no-{}\n", flag.name);
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
