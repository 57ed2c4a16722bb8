//! Reads the schema folder, writes or compares the generated folder.

use crate::schema::{File, snake};
use crate::{emit, parse};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Generated files, by name.
pub type Files = BTreeMap<String, String>;

/// Writes `crates/protocol/src/generated`, and removes files of schemas that are gone.
///
/// # Errors
/// What is wrong in a schema, or with reading, formatting, writing.
#[allow(clippy::disallowed_methods, reason = "a developer's tool works on files directly")]
pub fn write(root: &Path) -> Result<String, String> {
    let folder = root.join("crates/protocol/src/generated");
    let (wanted, found) = (generate(root)?, committed(root)?);
    for name in found.keys().filter(|name| !wanted.contains_key(*name)) {
        std::fs::remove_file(folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
    }
    for (name, text) in wanted.iter().filter(|(name, text)| found.get(*name) != Some(text)) {
        std::fs::write(folder.join(name), text).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(format!("{} files generated", wanted.len()))
}

/// Says which committed files differ from what the schemas give.
///
/// # Errors
/// The names of files that differ, or what `write` would say.
pub fn check(root: &Path) -> Result<String, String> {
    let (wanted, found) = (generate(root)?, committed(root)?);
    let mut stale: Vec<&str> = Vec::new();
    for name in wanted.keys().chain(found.keys()) {
        if wanted.get(name) != found.get(name) && !stale.contains(&name.as_str()) {
            stale.push(name);
        }
    }
    if stale.is_empty() {
        return Ok(format!("{} files are current", wanted.len()));
    }
    Err(format!("run `cargo run -p xtask -- protocol`; these differ from their schema: {}", stale.join(", ")))
}

/// The generated files as they should be.
///
/// # Errors
/// What is wrong in a schema, or with reading and formatting.
pub fn generate(root: &Path) -> Result<Files, String> {
    let mut files = Files::new();
    let mut parsed: Vec<(String, File)> = Vec::new();
    for (name, text) in texts(&root.join("crates/protocol/schema"), "kmsg")? {
        let file = parse::parse(&text).map_err(|what| format!("schema/{name}: {what}"))?;
        let stem = name.trim_end_matches(".kmsg").to_owned();
        if let Some(api) = &file.api
            && stem != format!("{:02}_{}", api.key, snake(&api.name))
        {
            return Err(format!(
                "schema/{name}: the file's name should be that of API {} {}",
                api.key, api.name
            ));
        }
        parsed.push((stem, file));
    }
    for (stem, file) in &parsed {
        files.insert(format!("{stem}.rs"), format_rust(root, &emit::module(stem, file))?);
    }
    files.insert("mod.rs".to_owned(), format_rust(root, &emit::index(&parsed))?);
    files.insert("api_key.rs".to_owned(), format_rust(root, &emit::api_keys(&parsed))?);
    Ok(files)
}

fn committed(root: &Path) -> Result<Files, String> {
    texts(&root.join("crates/protocol/src/generated"), "rs")
}

#[allow(clippy::disallowed_methods, reason = "a developer's tool works on files directly")]
fn texts(folder: &Path, extension: &str) -> Result<Files, String> {
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension().is_some_and(|found| found == extension) {
            let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            files.insert(path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text);
        }
    }
    Ok(files)
}

fn format_rust(root: &Path, source: &str) -> Result<String, String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("rustfmt: {e}"))?;
    let mut input = rustfmt.stdin.take().ok_or("rustfmt takes no input")?;
    let source = source.to_owned();
    // rustfmt reads all before it writes, so one thread suffices.
    input.write_all(source.as_bytes()).map_err(|e| format!("rustfmt: {e}"))?;
    drop(input);
    let output = rustfmt.wait_with_output().map_err(|e| format!("rustfmt: {e}"))?;
    if !output.status.success() {
        return Err(format!("rustfmt refused the generated code:\n{source}"));
    }
    String::from_utf8(output.stdout).map_err(|e| e.to_string())
}
