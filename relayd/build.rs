//! Embeds the phone's page into the server: the modules of `page/` that its first one reaches, as one file,
//! and what is beside them, compressed.
//!
//! Writes `page.rs`, a table of files, and the files themselves, into the folder for generated code. The name
//! of a build is a hash of everything in it.

#[path = "build/join.rs"]
mod join;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The module that the page starts with.
const FIRST_MODULE: &str = "ui/main.js";

/// Modules that few browsers need: `import()` fetches them beside the first one, by the last part of their
/// name.
const LATER_MODULES: [&str; 3] = ["crypto/own.js", "ui/texts/de.js", "ui/camera/scan.js"];

fn main() -> io::Result<()> {
    let page = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../page");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo:rerun-if-changed={}", page.display());
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build/join.rs");
    let mut scripts = vec![("page.js", join::join(&modules(&page, FIRST_MODULE)?, FIRST_MODULE)?)];
    for later in LATER_MODULES {
        let name = later.rsplit('/').next().unwrap_or(later);
        scripts.push((name, join::join(&modules(&page, later)?, later)?));
    }
    let parts = Parts::read(&page)?;
    let build = build_of(&scripts, &parts);
    let mut table = Table { out, rows: Vec::new() };
    for (name, script) in &scripts {
        table.add(&format!("/p/{build}/{name}"), "text/javascript", "Forever", "", script.as_bytes())?;
    }
    add_fixed(&mut table, &parts, &build)?;
    table.finish(&build)
}

/// The parts of the page that are not modules.
struct Parts {
    shell: String,
    front: String,
    style: String,
    first: String,
    worker: String,
    manifest: String,
    icons: Vec<(&'static str, &'static str, Vec<u8>)>,
}

impl Parts {
    fn read(page: &Path) -> io::Result<Self> {
        let text = |name: &str| fs::read_to_string(page.join("ui").join(name));
        let icon = |name, kind| Ok::<_, io::Error>((name, kind, fs::read(page.join("ui/icons").join(name))?));
        Ok(Parts {
            shell: text("shell.html")?,
            front: text("front.html")?,
            style: compact(&text("style.css")?),
            first: compact(&text("first.js")?),
            worker: compact(&text("service_worker.js")?),
            manifest: text("manifest.json")?,
            icons: vec![
                icon("icon.svg", "image/svg+xml")?,
                icon("icon-192.png", "image/png")?,
                icon("icon-512.png", "image/png")?,
            ],
        })
    }
}

/// A module and all that it imports, directly or not, by their paths in `page/`.
fn modules(page: &Path, first: &str) -> io::Result<join::Modules> {
    let (mut found, mut open) = (join::Modules::new(), vec![first.to_owned()]);
    while let Some(name) = open.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let text = fs::read_to_string(page.join(&name)).map_err(|error| {
            io::Error::other(format!("page/{name}: {error}; is it imported by a module?"))
        })?;
        let text = compact(&text);
        check_strings(&name, &text)?;
        open.extend(join::imports(&name, &text)?);
        found.insert(name, text);
    }
    Ok(found)
}

/// A text without comments that have their lines for themselves, and without indentation. No string goes
/// over lines: [`check_strings`] refuses that.
fn compact(text: &str) -> String {
    let (mut kept, mut in_comment) = (String::with_capacity(text.len()), false);
    for line in text.lines().map(str::trim) {
        let begins = line.starts_with("/*");
        if in_comment || begins {
            in_comment = !line.ends_with("*/");
        } else if !line.is_empty() && !line.starts_with("//") {
            push_without_types(line, &mut kept);
            kept.push('\n');
        }
    }
    kept
}

/// What [`compact`] would damage: a string over several lines.
fn check_strings(name: &str, text: &str) -> io::Result<()> {
    match text.lines().find(|line| line.matches('`').count() % 2 == 1) {
        Some(line) => {
            Err(io::Error::other(format!("page/{name}: a string goes on in the next line: {line:?}")))
        }
        None => Ok(()),
    }
}

/// Adds a line without the types that stand within it as comments. No string of the page has `/**`.
fn push_without_types(mut line: &str, kept: &mut String) {
    while let Some((before, (_, after))) =
        line.split_once("/**").and_then(|(before, rest)| Some((before, rest.split_once("*/")?)))
    {
        kept.push_str(before);
        line = after.trim_start();
    }
    kept.push_str(line);
}

/// The name of a build.
fn build_of(scripts: &[(&str, String)], parts: &Parts) -> String {
    let mut hash = Sha256::new();
    let own = [&parts.shell, &parts.front, &parts.style, &parts.first, &parts.worker, &parts.manifest];
    let texts =
        own.into_iter().map(String::as_bytes).chain(scripts.iter().map(|(_, script)| script.as_bytes()));
    for bytes in texts.chain(parts.icons.iter().map(|(_, _, bytes)| bytes.as_slice())) {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    hex(&hash.finalize()[..8])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What is not a module: the shell, the page of the server's root, the service worker, manifest and icons.
fn add_fixed(table: &mut Table, parts: &Parts, build: &str) -> io::Result<()> {
    let filled = |text: &str| {
        text.replace("{{style}}", &parts.style).replace("{{first}}", &parts.first).replace("{{build}}", build)
    };
    let inline =
        format!("script-src 'self' '{}'; style-src 'self' '{}'", hash(&parts.first), hash(&parts.style));
    let html = "text/html; charset=utf-8";
    for path in ["/p", "/p/"] {
        table.add(path, html, "Revalidate", &inline, filled(&parts.shell).as_bytes())?;
    }
    let front = format!("style-src '{}'", hash(&parts.style));
    table.add("/", html, "Revalidate", &front, filled(&parts.front).as_bytes())?;
    let worker = parts.worker.replace("{{build}}", build);
    let worker_policy = "script-src 'self'; connect-src 'self'";
    table.add("/p/sw.js", "text/javascript", "Revalidate", worker_policy, worker.as_bytes())?;
    let manifest = parts.manifest.as_bytes();
    table.add("/p/manifest.webmanifest", "application/manifest+json", "Revalidate", "", manifest)?;
    for (name, kind, bytes) in &parts.icons {
        table.add(&format!("/p/{name}"), kind, "Revalidate", "", bytes)?;
    }
    Ok(())
}

/// A source of a Content-Security-Policy: this text alone, within its element.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// The generated table.
struct Table {
    out: PathBuf,
    /// By path.
    rows: Vec<(String, String)>,
}

impl Table {
    fn add(&mut self, path: &str, kind: &str, cache: &str, csp: &str, bytes: &[u8]) -> io::Result<()> {
        let tag = hex(&Sha256::digest(bytes)[..8]);
        let plain = self.write(&format!("{tag}.plain"), Some(bytes))?;
        let smaller = |made: Vec<u8>| Some(made).filter(|made| made.len() < bytes.len());
        let gzip = self.write(&format!("{tag}.gz"), smaller(gzip(bytes)?).as_deref())?;
        let brotli = self.write(&format!("{tag}.br"), smaller(brotli(bytes)?).as_deref())?;
        let row = format!(
            "File {{ path: {path:?}, content_type: {kind:?}, cache: Cache::{cache}, policy: {csp:?}, \
             tag: {tag:?}, plain: {plain}, gzip: {gzip}, brotli: {brotli} }},"
        );
        self.rows.push((path.to_owned(), row));
        Ok(())
    }

    /// Writes bytes and gives the expression that embeds them.
    fn write(&self, name: &str, bytes: Option<&[u8]>) -> io::Result<String> {
        let Some(bytes) = bytes else { return Ok("&[]".to_owned()) };
        fs::write(self.out.join(name), bytes)?;
        Ok(format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\"))"))
    }

    fn finish(mut self, build: &str) -> io::Result<()> {
        self.rows.sort();
        let rows: String = self.rows.iter().map(|(_, row)| format!("    {row}\n")).collect();
        let table = format!(
            "/// The build of the page.\npub(super) const BUILD: &str = {build:?};\n\n\
             /// Every file of the page, sorted by path.\npub(super) static FILES: &[File] = &[\n{rows}];\n"
        );
        fs::write(self.out.join("page.rs"), table)
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes)?;
    writer.finish()
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut made = Vec::new();
    let params = brotli::enc::BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        mode: brotli::enc::backward_references::BrotliEncoderMode::BROTLI_MODE_TEXT,
        size_hint: bytes.len(),
        ..Default::default()
    };
    brotli::BrotliCompress(&mut io::Cursor::new(bytes), &mut made, &params)?;
    Ok(made)
}
