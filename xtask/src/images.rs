//! `cargo xtask images`: container images from `docker/Dockerfile`.

use crate::dist::{self, copy, make_empty};
use crate::packages::{self, Exporter};
use crate::run;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

enum Builder {
    Docker,
    Buildah,
}

pub fn run(arguments: &[String]) -> Result<(), String> {
    let mut arguments = arguments.to_vec();
    let tags = run::take_options(&mut arguments, "--tag")?;
    let tag = tags
        .last()
        .map_or(env!("CARGO_PKG_VERSION"), String::as_str);
    let archives = run::take_options(&mut arguments, "--oci-archive")?;
    let archives = archives.last().map(PathBuf::from);
    run::no_options(&arguments)?;
    let builder = Builder::find(archives.is_some())?;
    for exporter in packages::named(&arguments)? {
        let image = format!("exporters-rs/{}:{tag}", exporter.name);
        let context = context(exporter)?;
        builder.build(exporter, &image, tag, &context)?;
        println!("built {image}");
        if let Some(directory) = &archives {
            std::fs::create_dir_all(directory)
                .map_err(|e| format!("{}: {e}", directory.display()))?;
            let file = directory.join(format!("{}-{tag}.oci.tar", exporter.name));
            builder.archive(&image, &file)?;
            println!("wrote {}", file.display());
        }
    }
    Ok(())
}

/// A folder with what the Dockerfile copies: the binary of one exporter.
fn context(exporter: &Exporter) -> Result<PathBuf, String> {
    let binary = dist::build(exporter)?;
    let context = run::target().join("image").join(exporter.name);
    make_empty(&context.join("bin"))?;
    copy(&binary, &context.join("bin").join(exporter.binary))?;
    copy(&run::root().join("LICENSE"), &context.join("LICENSE"))?;
    Ok(context)
}

impl Builder {
    /// Docker where its daemon answers, else buildah. Only buildah writes OCI archives by itself.
    fn find(archive: bool) -> Result<Self, String> {
        let buildah = run::exists("buildah");
        if archive && buildah {
            return Ok(Builder::Buildah);
        }
        let mut docker = Command::new("docker");
        docker
            .arg("info")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if docker.status().is_ok_and(|s| s.success()) {
            Ok(Builder::Docker)
        } else if buildah {
            Ok(Builder::Buildah)
        } else {
            Err("images are built by docker, whose daemon does not answer, or by buildah, which is not installed (on Debian: apt install buildah)".to_owned())
        }
    }

    fn build(
        &self,
        exporter: &Exporter,
        image: &str,
        version: &str,
        context: &Path,
    ) -> Result<(), String> {
        let mut command = match self {
            Builder::Docker => Command::new("docker"),
            Builder::Buildah => Command::new("buildah"),
        };
        let mut git = Command::new("git");
        git.current_dir(run::root()).args(["rev-parse", "HEAD"]);
        let revision = run::text(&mut git).unwrap_or_default();
        command.arg("build");
        if matches!(self, Builder::Buildah) {
            command.args(["--isolation", "chroot", "--format", "oci"]);
        }
        command
            .arg("--file")
            .arg(run::root().join("docker/Dockerfile"))
            .args(["--tag", image]);
        for (name, value) in [
            ("EXPORTER", exporter.name),
            ("ABOUT", exporter.about),
            ("VERSION", version),
            ("REVISION", &revision),
        ] {
            command.arg("--build-arg").arg(format!("{name}={value}"));
        }
        run::check(command.arg(context))
    }

    fn archive(&self, image: &str, file: &Path) -> Result<(), String> {
        let mut command = match self {
            // From docker 25 on this is an OCI layout too.
            Builder::Docker => Command::new("docker"),
            Builder::Buildah => Command::new("buildah"),
        };
        match self {
            Builder::Docker => command.args(["save", "--output"]).arg(file).arg(image),
            Builder::Buildah => command
                .args(["push", image])
                .arg(format!("oci-archive:{}", file.display())),
        };
        run::check(&mut command)
    }
}
