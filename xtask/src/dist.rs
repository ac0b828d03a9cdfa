//! `cargo xtask dist`: what is published beside the images.

use crate::packages::{self, Exporter};
use crate::{charts, deb, images, run, sbom};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes everything in `dist/`. What needs a tool that is not installed is left out, and said so.
pub fn run(arguments: &[String]) -> Result<(), String> {
    run::no_options(arguments)?;
    let exporters = packages::named(arguments)?;
    let out = run::root().join("dist");
    make_empty(&out)?;
    let mut files = Vec::new();
    for exporter in &exporters {
        let (name, folder) = stage(exporter, &out)?;
        files.extend(deb::build(exporter, &folder, &out)?);
        pack(&out, &name)?;
        files.push(format!("{name}.tar.gz"));
    }
    if run::exists("buildah") {
        files.extend(images::archives(&exporters, &out)?);
    } else {
        println!("buildah is not installed: no image archive is made");
    }
    if run::exists("helm") {
        files.extend(charts::pack(&out)?);
    } else {
        println!("helm is not installed: no chart archive is made");
    }
    files.sort();
    let mut sums = Command::new("sha256sum");
    let sums = run::output(sums.current_dir(&out).args(&files))?;
    write(&out.join("SHA256SUMS"), &sums)?;
    println!("{}", String::from_utf8_lossy(&sums).trim_end());
    println!("in {}", out.display());
    Ok(())
}

/// The target that binaries are linked statically for: this machine's.
pub fn triple() -> Result<String, String> {
    let version = run::text(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|l| l.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "rustc -vV names no host".to_owned())
}

/// Architecture in the words that release files and images use.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Builds the static, stripped binary of an exporter and tells where it is.
pub fn build(exporter: &Exporter) -> Result<PathBuf, String> {
    let triple = triple()?;
    let mut cargo = run::cargo();
    cargo
        .args(["rustc", "--profile", "dist", "--target", &triple])
        .args(["--package", exporter.name, "--bin", exporter.binary])
        // Half a megabyte of relocations, all of it read at start, becomes a few kilobytes.
        .args(["--", "-Clink-arg=-Wl,-z,pack-relative-relocs"])
        .env("CARGO_ENCODED_RUSTFLAGS", flags())
        .envs(provenance());
    run::check(&mut cargo)?;
    let binary = run::target()
        .join(triple)
        .join("dist")
        .join(exporter.binary);
    Ok(binary)
}

/// Flags of the compiler, in cargo's encoding: static, and the same bytes wherever the workspace and
/// the sources of dependencies are kept.
fn flags() -> String {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    flags.extend(cargo.map(|cargo| remap(&cargo, "/cargo")));
    flags.push(remap(&run::root(), "/build"));
    // Generated sources are in there, wherever it is.
    flags.push(remap(&run::target(), "/build/target"));
    flags.join("\u{1f}")
}

/// What `--version` and the build_info series tell of where a binary came from.
fn provenance() -> Vec<(&'static str, String)> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        run::text(git.current_dir(run::root()).args(arguments)).unwrap_or_default()
    };
    vec![
        ("EXPORTERS_REVISION", git(&["rev-parse", "HEAD"])),
        // A commit is on many branches; this is what git itself says where none is checked out.
        ("EXPORTERS_BRANCH", "HEAD".to_owned()),
        ("EXPORTERS_BUILD_DATE", git(&["log", "-1", "--format=%cI"])),
    ]
}

/// Seconds since 1970 of the last commit: the time that everything published bears.
pub fn commit_time() -> String {
    let mut git = Command::new("git");
    git.current_dir(run::root())
        .args(["log", "-1", "--format=%ct"]);
    run::text(&mut git).unwrap_or_else(|_| "0".to_owned())
}

/// What makes the packer compress, without name and time.
pub const GZIP: [&str; 1] = ["--use-compress-program=gzip -9n"];

/// A packer for which the same files in a folder give the same bytes: format, order, owners, modes and
/// times are fixed, and nothing is read from the environment.
pub fn tar(folder: &Path) -> Command {
    let mut tar = Command::new("tar");
    tar.current_dir(folder)
        .args(["--create", "--format=gnu", "--sort=name"])
        .args(["--owner=0", "--group=0", "--numeric-owner"])
        .arg("--mode=u+rw,go=rX")
        .arg(format!("--mtime=@{}", commit_time()))
        .env_remove("TAR_OPTIONS")
        .env_remove("GZIP");
    tar
}

/// Lays out the files of one exporter and gives the folder's name and place.
fn stage(exporter: &Exporter, out: &Path) -> Result<(String, PathBuf), String> {
    let binary = build(exporter)?;
    let packages = sbom::dependencies(exporter)?;
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("{}-{version}.linux-{}", exporter.binary, architecture());
    let folder = out.join(&name);
    let file = |relative: &str| folder.join(relative);
    for directory in ["completions", "man", "systemd"] {
        make_empty(&file(directory))?;
    }
    copy(&binary, &file(exporter.binary))?;
    copy(&run::root().join("LICENSE"), &file("LICENSE"))?;
    write(&file("LICENSES.md"), sbom::licences(&packages).as_bytes())?;
    write(
        &file("sbom.cdx.json"),
        sbom::cyclonedx(exporter, &packages).as_bytes(),
    )?;
    if let Some(config) = exporter.config() {
        copy(&run::root().join("docker").join(config), &file(config))?;
    }
    let said = |flag: &str| run::output(Command::new(&binary).arg(flag));
    let manual = said("--help-man")?;
    write(&file(&format!("man/{}.1", exporter.binary)), &manual)?;
    for (shell, flag) in [
        ("bash", "--completion-script-bash"),
        ("zsh", "--completion-script-zsh"),
        ("fish", "--completion-script-fish"),
    ] {
        let script = format!("completions/{}.{shell}", exporter.binary);
        write(&file(&script), &said(flag)?)?;
    }
    let unit = |ending: &str| file(&format!("systemd/{}.{ending}", exporter.binary));
    write(&unit("service"), service(exporter).as_bytes())?;
    if let Some(flag) = socket_flag(&String::from_utf8_lossy(&manual)) {
        write(&unit("socket"), socket(exporter, &flag).as_bytes())?;
    }
    Ok((name, folder))
}

fn pack(out: &Path, name: &str) -> Result<(), String> {
    let mut tar = tar(out);
    tar.args(GZIP).arg("--file").arg(format!("{name}.tar.gz"));
    run::check(tar.arg(name))?;
    fs::remove_dir_all(out.join(name)).map_err(|e| format!("{name}: {e}"))
}

fn service(exporter: &Exporter) -> String {
    let Exporter { binary, about, .. } = exporter;
    let capabilities = match exporter.name {
        // Counters of other users' processes.
        "process-exporter" => "CAP_SYS_PTRACE CAP_DAC_READ_SEARCH",
        _ => "",
    };
    format!(
        "\
[Unit]
Description={about}
Wants=network-online.target
After=network-online.target

[Service]
DynamicUser=yes
EnvironmentFile=-/etc/default/{binary}
ExecStart=/usr/local/bin/{binary} $OPTIONS
Restart=on-failure
AmbientCapabilities={capabilities}
CapabilityBoundingSet={capabilities}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
MemoryDenyWriteExecute=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"
    )
}

/// The flag that takes sockets from the service manager, as the manual page writes it, if there is
/// such a flag.
fn socket_flag(manual: &str) -> Option<String> {
    let line = manual
        .lines()
        .find(|l| l.contains("web.systemd\\-socket"))?;
    let flag = line.replace("\\fB", "").replace("\\fR", "");
    Some(flag.replace('\\', "").replace("[no-]", ""))
}

fn socket(exporter: &Exporter, flag: &str) -> String {
    let Exporter { about, port, .. } = exporter;
    format!(
        "\
# With this, give the service `{flag}` in OPTIONS.
[Unit]
Description={about} (socket)

[Socket]
ListenStream={port}

[Install]
WantedBy=sockets.target
"
    )
}

/// Makes a directory, without what was in it.
pub fn make_empty(path: &Path) -> Result<(), String> {
    let told = |e: std::io::Error| format!("{}: {e}", path.display());
    if path.exists() {
        fs::remove_dir_all(path).map_err(told)?;
    }
    fs::create_dir_all(path).map_err(told)
}

/// Copies a file with its mode.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let told = |e| format!("{} to {}: {e}", from.display(), to.display());
    fs::copy(from, to).map(drop).map_err(told)
}

/// Writes a file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_of_sockets_by_dialect() {
        for (line, flag) in [
            (
                "\\fB\\-\\-[no\\-]web.systemd\\-socket\\fR",
                "--web.systemd-socket",
            ),
            ("\\fB\\-web.systemd\\-socket\\fR", "-web.systemd-socket"),
        ] {
            let manual = format!(".TP\n{line}\nTakes sockets.\n");
            assert_eq!(socket_flag(&manual).as_deref(), Some(flag));
        }
        assert_eq!(socket_flag(".TP\nport\n"), None);
    }
}
