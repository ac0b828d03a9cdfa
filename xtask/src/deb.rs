//! Debian packages, from what the tarballs hold.

use crate::dist::{self, copy, make_empty, write};
use crate::packages::Exporter;
use crate::run;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Makes the package of an exporter whose files are in `staged`, and gives its file name. Its tools
/// are Debian's own; elsewhere there is none.
pub fn build(exporter: &Exporter, staged: &Path, out: &Path) -> Result<Option<String>, String> {
    if !run::exists("dpkg-deb") {
        println!("dpkg-deb is not installed: no Debian package is made");
        return Ok(None);
    }
    let name = format!("exporters-rs-{}", exporter.name);
    let version = env!("CARGO_PKG_VERSION");
    let architecture = dist::architecture();
    let tree = staged.with_extension("deb.tree");
    make_empty(&tree)?;
    install(exporter, &name, staged, &tree)?;
    control(exporter, &name, &tree)?;
    let file = format!("{name}_{version}_{architecture}.deb");
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.args([
        "--root-owner-group",
        "--uniform-compression",
        "-Zxz",
        "--build",
    ])
    .arg(&tree)
    .arg(out.join(&file))
    .env("SOURCE_DATE_EPOCH", dist::commit_time())
    // Threads split what they compress where there are several.
    .env("DPKG_DEB_THREADS_MAX", "1");
    run::output(&mut dpkg)?;
    fs::remove_dir_all(&tree).map_err(|e| format!("{}: {e}", tree.display()))?;
    Ok(Some(file))
}

/// Puts files where Debian wants them.
fn install(exporter: &Exporter, name: &str, staged: &Path, tree: &Path) -> Result<(), String> {
    let binary = exporter.binary;
    let place = |from: &str, to: &str, mode: u32| {
        let target = tree.join(to);
        folder_of(&target)?;
        copy(&staged.join(from), &target)?;
        permit(&target, mode)
    };
    place(binary, &format!("usr/bin/{binary}"), 0o755)?;
    place("LICENSE", &format!("usr/share/doc/{name}/copyright"), 0o644)?;
    place(
        "LICENSES.md",
        &format!("usr/share/doc/{name}/LICENSES.md"),
        0o644,
    )?;
    place(
        "sbom.cdx.json",
        &format!("usr/share/doc/{name}/sbom.cdx.json"),
        0o644,
    )?;
    for (from, to) in [
        (
            format!("man/{binary}.1"),
            format!("usr/share/man/man1/{binary}.1"),
        ),
        (
            format!("completions/{binary}.bash"),
            format!("usr/share/bash-completion/completions/{binary}"),
        ),
        (
            format!("completions/{binary}.zsh"),
            format!("usr/share/zsh/vendor-completions/_{binary}"),
        ),
        (
            format!("completions/{binary}.fish"),
            format!("usr/share/fish/vendor_completions.d/{binary}.fish"),
        ),
        (
            format!("systemd/{binary}.socket"),
            format!("usr/lib/systemd/system/{binary}.socket"),
        ),
    ] {
        if staged.join(&from).is_file() {
            place(&from, &to, 0o644)?;
        }
    }
    // Packages own /usr/bin; the tarball's unit is for what an administrator puts in place.
    let unit = format!("systemd/{binary}.service");
    let text = fs::read_to_string(staged.join(&unit)).map_err(|e| format!("{unit}: {e}"))?;
    let unit = tree.join(format!("usr/lib/systemd/system/{binary}.service"));
    folder_of(&unit)?;
    write(
        &unit,
        text.replace("/usr/local/bin/", "/usr/bin/").as_bytes(),
    )?;
    permit(&unit, 0o644)?;
    let mut options = String::new();
    if let Some(config) = exporter.config() {
        let installed = installed_config(binary);
        place(config, installed.trim_start_matches('/'), 0o644)?;
        options = format!("--config.file={installed}");
    }
    let defaults = tree.join(format!("etc/default/{binary}"));
    folder_of(&defaults)?;
    write(
        &defaults,
        format!("# Arguments of {binary}.\nOPTIONS=\"{options}\"\n").as_bytes(),
    )?;
    permit(&defaults, 0o644)
}

/// Where the configuration stands that an administrator edits, as in the image.
fn installed_config(binary: &str) -> String {
    format!("/etc/{binary}/config.yml")
}

fn control(exporter: &Exporter, name: &str, tree: &Path) -> Result<(), String> {
    let Exporter { binary, about, .. } = exporter;
    let folder = tree.join("DEBIAN");
    make_empty(&folder)?;
    let control = format!(
        "Package: {name}\nVersion: {}\nArchitecture: {}\nSection: net\nPriority: optional\n\
         Maintainer: The exporters-rs authors <exporters-rs@users.noreply.github.com>\n\
         Homepage: https://github.com/exporters-rs/exporters-rs\nDescription: {about}\n",
        env!("CARGO_PKG_VERSION"),
        dist::architecture(),
    );
    let mut conffiles = format!("/etc/default/{binary}\n");
    if exporter.config().is_some() {
        conffiles.push_str(&format!("{}\n", installed_config(binary)));
    }
    let reload = "#!/bin/sh\nset -e\nif [ -d /run/systemd/system ]; then\n    \
                  systemctl daemon-reload\nfi\n";
    for (file, text, mode) in [
        ("control", control.as_str(), 0o644),
        ("conffiles", conffiles.as_str(), 0o644),
        ("postinst", reload, 0o755),
        ("postrm", reload, 0o755),
    ] {
        write(&folder.join(file), text.as_bytes())?;
        permit(&folder.join(file), mode)?;
    }
    // Folders have the mode of whoever made them.
    let mut chmod = Command::new("find");
    chmod
        .arg(tree)
        .args(["-type", "d", "-exec", "chmod", "0755", "{}", "+"]);
    run::check(&mut chmod)
}

fn folder_of(file: &Path) -> Result<(), String> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))
}

fn permit(file: &Path, mode: u32) -> Result<(), String> {
    fs::set_permissions(file, Permissions::from_mode(mode))
        .map_err(|e| format!("{}: {e}", file.display()))
}
