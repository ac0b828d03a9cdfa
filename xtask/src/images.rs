//! `cargo xtask images`: container images from `docker/Dockerfile`.

use crate::dist::{self, copy, make_empty};
use crate::packages::{self, Exporter};
use crate::run;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
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
    let exporters = packages::named(&arguments)?;
    make(&exporters, tag, archives.as_deref()).map(drop)
}

/// Archives of the images of a release, in a folder; gives their names.
pub fn archives(exporters: &[&Exporter], folder: &Path) -> Result<Vec<String>, String> {
    make(exporters, env!("CARGO_PKG_VERSION"), Some(folder))
}

/// Compiles one exporter after the other, as what they share is compiled with the features that each
/// of them asks for, and puts images together meanwhile, each as soon as its binary is there.
fn make(
    exporters: &[&Exporter],
    tag: &str,
    archives: Option<&Path>,
) -> Result<Vec<String>, String> {
    let builder = &Builder::find(archives.is_some())?;
    if let Some(directory) = archives {
        std::fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    }
    std::thread::scope(|scope| {
        let mut images = Vec::new();
        for exporter in exporters {
            let binary = dist::build(exporter)?;
            images.push(scope.spawn(move || builder.image(exporter, &binary, tag, archives)));
        }
        let mut names = Vec::new();
        for image in images {
            let name = image.join().map_err(|_| "an image's thread panicked")?;
            names.extend(name?);
        }
        Ok(names)
    })
}

/// A folder with what the Dockerfile copies: the files of one image in `root`. It is this process's
/// own, so that images can be built at the same time, and what is in it bears the time of the last
/// commit, so that the same input gives the same layers.
fn context(exporter: &Exporter, binary: &Path) -> Result<PathBuf, String> {
    let folder = format!("{}-{}", exporter.name, std::process::id());
    let context = run::target().join("image").join(folder);
    let root = context.join("root");
    make_empty(&root)?;
    add(binary, &root, &format!("bin/{}", exporter.binary), 0o755)?;
    add(&run::root().join("LICENSE"), &root, "LICENSE", 0o644)?;
    for (from, to) in exporter.files() {
        add(&run::root().join(from), &root, to, 0o644)?;
    }
    Ok(context)
}

/// Adds a file, with the time of the last commit on it and on the folders above it.
fn add(from: &Path, root: &Path, to: &str, mode: u32) -> Result<(), String> {
    let to = root.join(to);
    let told = |e: std::io::Error| format!("{}: {e}", to.display());
    let above = to.ancestors().skip(1);
    let folders: Vec<&Path> = above.take_while(|f| f.starts_with(root)).collect();
    std::fs::create_dir_all(folders[0]).map_err(told)?;
    copy(from, &to)?;
    std::fs::set_permissions(&to, Permissions::from_mode(mode)).map_err(told)?;
    for folder in &folders {
        std::fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(told)?;
    }
    let mut touch = Command::new("touch");
    touch
        .arg(format!("--date=@{}", dist::commit_time()))
        .arg(&to);
    run::check(touch.args(&folders))
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

    /// Makes the image of one exporter, and its archive in a folder if one is wanted; gives the
    /// archive's name.
    fn image(
        &self,
        exporter: &Exporter,
        binary: &Path,
        tag: &str,
        archives: Option<&Path>,
    ) -> Result<Option<String>, String> {
        let image = format!("exporters-rs/{}:{tag}", exporter.name);
        let context = context(exporter, binary)?;
        let built = self.build(exporter, &image, tag, &context);
        std::fs::remove_dir_all(&context).map_err(|e| format!("{}: {e}", context.display()))?;
        built?;
        println!("built {image}");
        let Some(directory) = archives else {
            return Ok(None);
        };
        let name = format!("{}-{tag}.oci.tar", exporter.name);
        let file = directory.join(&name);
        self.archive(&image, &file)?;
        println!("wrote {}", file.display());
        Ok(Some(name))
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
        match self {
            Builder::Buildah => command
                .args(["--isolation", "chroot", "--format", "oci"])
                .args(["--timestamp", &dist::commit_time()]),
            // The classic builder is part of every docker; this Dockerfile needs no other.
            Builder::Docker => command.env("DOCKER_BUILDKIT", "0"),
        };
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
        run::quietly(command.arg(context))
    }

    /// Writes an image as an OCI layout in one file. The archives that buildah makes bear the times of
    /// its own files, so it only lays out.
    fn archive(&self, image: &str, file: &Path) -> Result<(), String> {
        let Builder::Buildah = self else {
            // From docker 25 on this is an OCI layout too.
            let mut docker = Command::new("docker");
            return run::quietly(docker.args(["save", "--output"]).arg(file).arg(image));
        };
        let layout = file.with_extension("layout");
        make_empty(&layout)?;
        let mut buildah = Command::new("buildah");
        let target = format!("oci:{}", layout.display());
        run::quietly(buildah.args(["push", image]).arg(target))?;
        let mut tar = dist::tar(&layout);
        tar.arg("--file").arg(file);
        run::check(tar.args(["blobs", "index.json", "oci-layout"]))?;
        std::fs::remove_dir_all(&layout).map_err(|e| format!("{}: {e}", layout.display()))
    }
}
