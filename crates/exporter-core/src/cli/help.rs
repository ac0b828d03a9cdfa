//! Usage texts of the kingpin dialect.

use super::app::{App, Style, spelling};

/// Column that help sentences start in, and the width of the page.
const INDENT: usize = 8;
const WIDTH: usize = 80;

/// What `--help` prints.
pub fn short(app: &App) -> String {
    let mut text = format!("usage: {} [<flags>]\n\n{}\n\nFlags:\n", app.name, app.about);
    let own = [
        ("-h, --[no-]help", "Show this text."),
        ("    --[no-]version", "Show the version."),
    ];
    for (name, help) in own {
        push_entry(&mut text, name, help);
    }
    for flag in app.visible() {
        let dash = match flag.short {
            Some(letter) => format!("-{letter}, "),
            None => "    ".to_owned(),
        };
        let mut help = flag.help.trim().to_owned();
        if let Some(variable) = flag.env {
            help.push_str(&format!(" (${variable})"));
        }
        push_entry(
            &mut text,
            &format!("{dash}{}", spelling(flag, Style::Kingpin)),
            &help,
        );
    }
    text
}

/// What `--help-long` prints: there are no commands, so the same.
pub fn long(app: &App) -> String {
    short(app)
}

fn push_entry(text: &mut String, name: &str, help: &str) {
    text.push_str("  ");
    text.push_str(name);
    text.push('\n');
    let mut column = 0;
    for word in help.split_whitespace() {
        if column > 0 && column + 1 + word.len() > WIDTH {
            text.push('\n');
            column = 0;
        }
        if column == 0 {
            text.push_str(&" ".repeat(INDENT));
            column = INDENT;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text.push('\n');
}
