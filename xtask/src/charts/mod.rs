//! `cargo xtask charts`: what is made of a chart's values, its dashboards, and what helm and promtool
//! say of it.

mod dashboards;
mod documents;
mod dry_run;
mod exposed;
mod values;

use crate::{dist, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub fn run(arguments: &[String]) -> Result<(), String> {
    let mut arguments = arguments.to_vec();
    let check = run::take_switch(&mut arguments, "--check");
    let server = run::take_switch(&mut arguments, "--server-dry-run");
    let package = run::take_options(&mut arguments, "--package")?;
    if let Some(argument) = arguments.first() {
        return Err(format!("charts does not know {argument:?}"));
    }
    if check {
        return current();
    }
    if server {
        vendor()?;
        let mut names = names()?;
        names.retain(|name| name != "common");
        return dry_run::run(&folder(), &names);
    }
    for (path, text) in generated()? {
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    match (run::exists("helm"), package.last()) {
        (true, directory) => {
            vendor()?;
            lint()?;
            directory.map_or(Ok(()), |directory| pack(Path::new(directory)).map(drop))
        }
        (false, Some(_)) => Err("--package wants helm, which is not installed".to_owned()),
        (false, None) => {
            println!("helm is not installed: nothing was rendered");
            Ok(())
        }
    }
}

/// Whether what is generated stands in the tree as it would be made now, and names only what is
/// exposed.
fn current() -> Result<(), String> {
    for (path, text) in generated()? {
        if fs::read_to_string(&path).unwrap_or_default() != text {
            let path = path.display();
            return Err(format!("{path} is old: run `cargo xtask charts`"));
        }
    }
    let library = folder().join("common");
    let read = |file: &str| {
        let file = library.join(file);
        fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))
    };
    if !read("README.md")?.contains(&read("tests/sidecar/templates/deployment.yaml")?) {
        return Err("charts/common/README.md shows another sidecar than tests/sidecar".to_owned());
    }
    match exposed::missing()?.as_slice() {
        [] => Ok(()),
        missing => Err(format!(
            "rules or dashboards name what no exporter has: {}",
            missing.join(", ")
        )),
    }
}

/// Renders every chart where helm is installed, and tests every rule where promtool is.
pub fn verify() -> Result<(), String> {
    if run::exists("helm") {
        vendor()?;
        lint()?;
    } else {
        println!("helm is not installed: charts are not rendered");
    }
    if run::exists("promtool") {
        return rules();
    }
    println!("promtool is not installed: rules are not tested");
    Ok(())
}

fn rules() -> Result<(), String> {
    for name in names()? {
        let test = folder().join(&name).join("tests/rules.yaml");
        if test.is_file() {
            let mut promtool = Command::new("promtool");
            run::check(promtool.args(["test", "rules"]).arg(test))?;
        }
    }
    Ok(())
}

fn folder() -> PathBuf {
    run::root().join("charts")
}

/// Names of all charts, the library first and the umbrella last, as dependencies want it.
fn names() -> Result<Vec<String>, String> {
    let told = |e: std::io::Error| format!("{}: {e}", folder().display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder()).map_err(told)? {
        let entry = entry.map_err(told)?;
        if entry.path().join("Chart.yaml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort_by_key(|name| match name.as_str() {
        "common" => (0, name.clone()),
        "exporters" => (2, name.clone()),
        _ => (1, name.clone()),
    });
    Ok(names)
}

/// Every generated file and its text.
fn generated() -> Result<Vec<(PathBuf, String)>, String> {
    let mut files = Vec::new();
    for name in names()?.into_iter().filter(|name| name != "common") {
        let chart = folder().join(&name);
        let values = values::read(&chart.join("values.yaml"))?;
        files.push((
            chart.join("README.md"),
            documents::readme(&chart, &name, &values)?,
        ));
        files.push((
            chart.join("values.schema.json"),
            documents::schema(&name, &values),
        ));
        files.push((
            chart.join("templates/_values.tpl"),
            documents::keys(&name, &values),
        ));
    }
    for dashboard in dashboards::ALL {
        let file = format!("{}/dashboards/{}.json", dashboard.chart, dashboard.name);
        files.push((folder().join(file), dashboard.json()));
    }
    Ok(files)
}

/// Puts the charts that a chart depends on into it, as folders: archives made by helm would bear the
/// time of packing.
fn vendor() -> Result<(), String> {
    for name in names()?.iter().filter(|name| *name != "common") {
        let chart = folder().join(name);
        let text = fs::read_to_string(chart.join("Chart.yaml"))
            .map_err(|e| format!("{}: {e}", chart.display()))?;
        dist::make_empty(&chart.join("charts"))?;
        let wanted = text
            .lines()
            .filter_map(|l| l.trim().strip_prefix("repository: file://../"));
        for dependency in wanted {
            let mut copy = Command::new("cp");
            copy.arg("-R")
                .arg(folder().join(dependency))
                .arg(chart.join("charts"));
            run::check(&mut copy)?;
        }
    }
    Ok(())
}

/// Renders the example of a chart that uses the library's sidecar, in a folder of its own with the
/// library beside it.
fn sidecar() -> Result<(), String> {
    let scratch = run::root().join("target/sidecar");
    dist::make_empty(&scratch)?;
    let library = folder().join("common");
    let mut copy = Command::new("cp");
    copy.arg("-R")
        .arg(library.join("tests/sidecar/."))
        .arg(&scratch);
    run::check(&mut copy)?;
    let charts = scratch.join("charts");
    fs::create_dir_all(&charts).map_err(|e| format!("{}: {e}", charts.display()))?;
    let mut copy = Command::new("cp");
    run::check(copy.arg("-R").arg(&library).arg(&charts))?;
    let mut helm = Command::new("helm");
    helm.current_dir(&scratch)
        .args(["template", "release", "."]);
    let text = run::text(&mut helm)?;
    match text.contains("exporters-rs/redis-exporter:v") {
        true => Ok(()),
        false => Err(format!("the example has no sidecar:\n{text}")),
    }
}

/// What a chart is rendered with: nothing, every option, and each file of `tests/values`. Paths are
/// from the chart's folder.
fn values_of(chart: &Path) -> Result<Vec<Option<String>>, String> {
    let mut sets = vec![None, Some("tests/all.yaml".to_owned())];
    let more = chart.join("tests/values");
    if more.is_dir() {
        let told = |e: std::io::Error| format!("{}: {e}", more.display());
        for entry in fs::read_dir(&more).map_err(told)? {
            let name = entry.map_err(told)?.file_name();
            sets.push(Some(format!("tests/values/{}", name.to_string_lossy())));
        }
    }
    sets.sort();
    Ok(sets)
}

fn lint() -> Result<(), String> {
    for name in names()?.iter().filter(|name| *name != "common") {
        let chart = folder().join(name);
        let mut helm = Command::new("helm");
        helm.current_dir(&chart).args(["lint", "--quiet", "."]);
        run::check(&mut helm)?;
        for values in values_of(&chart)? {
            let mut helm = Command::new("helm");
            helm.current_dir(&chart).args(["template", "release", "."]);
            if let Some(file) = values {
                helm.args(["--values", &file]).args(dry_run::OPTIONAL_APIS);
            }
            run::check(helm.stdout(Stdio::null()))?;
        }
    }
    sidecar()
}

/// Archives and the index of a chart repository, in a folder; gives their names. The same charts
/// give the same bytes, which helm's own archives do not.
pub fn pack(directory: &Path) -> Result<Vec<String>, String> {
    vendor()?;
    fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let directory = directory
        .canonicalize()
        .map_err(|e| format!("{}: {e}", directory.display()))?;
    let mut files = Vec::new();
    for name in names()? {
        files.push(archive(&name, &directory)?);
    }
    let mut helm = Command::new("helm");
    run::check(helm.args(["repo", "index"]).arg(&directory))?;
    let index = directory.join("index.yaml");
    let text = fs::read_to_string(&index).map_err(|e| format!("{}: {e}", index.display()))?;
    let text = with_time_of_commit(&text)?;
    fs::write(&index, text).map_err(|e| format!("{}: {e}", index.display()))?;
    files.push("index.yaml".to_owned());
    Ok(files)
}

/// An archive as `helm package` names it.
fn archive(name: &str, directory: &Path) -> Result<String, String> {
    let file = format!("{name}-{}.tgz", version(name)?);
    let mut tar = dist::tar(&folder());
    // Charts within the chart are unpacked, as their own archives bear the time of packing.
    tar.args(dist::GZIP)
        .args(["--exclude=tests", "--exclude=differences.md"])
        .arg("--exclude=Chart.lock")
        .arg("--file")
        .arg(directory.join(&file))
        .arg(name);
    run::check(&mut tar)?;
    Ok(file)
}

fn version(name: &str) -> Result<String, String> {
    let file = folder().join(name).join("Chart.yaml");
    let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let line = text.lines().find_map(|l| l.strip_prefix("version: "));
    line.map(str::to_owned)
        .ok_or_else(|| format!("{}: no version", file.display()))
}

/// The index with the time of the last commit where helm writes the present.
fn with_time_of_commit(index: &str) -> Result<String, String> {
    let mut date = Command::new("date");
    let time = run::text(
        date.args(["--utc", "+%Y-%m-%dT%H:%M:%SZ", "--date"])
            .arg(format!("@{}", dist::commit_time())),
    )?;
    let mut text = String::with_capacity(index.len());
    for line in index.lines() {
        let body = line.trim_start().trim_start_matches("- ");
        match body
            .strip_prefix("created: ")
            .or_else(|| body.strip_prefix("generated: "))
        {
            Some(now) => text += &line.replace(now, &format!("{time:?}")),
            None => text += line,
        }
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn generated_files_are_current() {
        super::current().unwrap();
    }
}
