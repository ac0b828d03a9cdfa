//! The manual page, in the `man` macros of troff.

use super::app::{App, Style, spelling};

/// What `--help-man` prints.
pub fn page(app: &App, style: Style) -> String {
    let name = escape(&app.name);
    let about = escape(app.about);
    let mut text = format!(
        ".TH {name} 1\n.SH NAME\n{name} \\- {about}\n.SH SYNOPSIS\n.B {name}\n[<flags>]\n\
         .SH DESCRIPTION\n{about}\n.SH OPTIONS\n"
    );
    let help = match style {
        Style::Kingpin => "-h, --[no-]help",
        Style::GoFlag => "-h, -help",
        Style::Pflag => "-h, --help",
    };
    push_option(&mut text, help, "Show a summary of the flags.");
    if style == Style::Kingpin {
        push_option(&mut text, "--[no-]version", "Show the version.");
    }
    for flag in app.visible() {
        push_option(&mut text, &spelling(flag, style), flag.help.trim());
    }
    let variables: Vec<_> = app
        .visible()
        .filter_map(|f| Some((f.env?, f.name)))
        .collect();
    if !variables.is_empty() {
        text.push_str(".SH ENVIRONMENT\n");
        for (variable, flag) in variables {
            let help = format!(
                "Stands in for {}{flag} where that is not given.",
                style.dash()
            );
            push_option(&mut text, variable, &help);
        }
    }
    text
}

fn push_option(text: &mut String, name: &str, help: &str) {
    text.push_str(&format!(
        ".TP\n\\fB{}\\fR\n{}\n",
        escape(name),
        escape(help)
    ));
}

/// A dash is a minus sign, and a line may not start with a dot or a quote.
fn escape(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('-', "\\-");
    match escaped.chars().next() {
        Some('.' | '\'') => format!("\\&{escaped}"),
        _ => escaped,
    }
}
