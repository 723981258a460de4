//! Who may import whom, as a table. Any other edge between modules fails here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module, and the modules and crates beside it that it may name.
type Edges = &'static [(&'static str, &'static [&'static str])];

const RUNTIME: Edges = &[
    ("adapters", &["adapters", "ports"]),
    (
        "app",
        &[
            "adapters",
            "app",
            "application",
            "config",
            "domain",
            "http",
            "ports",
            "albatross_crds",
        ],
    ),
    (
        "application",
        &["application", "codec", "domain", "ports", "albatross_proto"],
    ),
    ("codec", &["codec", "domain", "albatross_proto"]),
    ("config", &["config"]),
    ("domain", &["domain"]),
    ("http", &["application", "domain", "http", "ports"]),
    ("lib", &[]),
    ("main", &["albatross"]),
    ("ports", &["ports"]),
];

const OPERATOR: Edges = &[
    (
        "api_key",
        &[
            "api_key",
            "config",
            "context",
            "names",
            "provision",
            "albatross_crds",
        ],
    ),
    ("config", &["config", "albatross_crds"]),
    (
        "context",
        &[
            "config",
            "context",
            "lease",
            "names",
            "provision",
            "albatross_crds",
        ],
    ),
    (
        "controllers",
        &[
            "api_key", "config", "context", "leader", "lease", "names", "server", "tenant",
        ],
    ),
    ("leader", &["config", "context", "lease", "names"]),
    ("lease", &[]),
    ("lib", &[]),
    ("main", &["albatross_operator"]),
    ("names", &["names", "albatross_crds"]),
    ("provision", &["config", "lease", "names", "provision"]),
    ("server", &["context", "server"]),
    (
        "tenant",
        &[
            "config",
            "context",
            "names",
            "provision",
            "tenant",
            "albatross_crds",
        ],
    ),
    ("traces", &["names"]),
];

const CRATES: [&str; 5] = [
    "albatross",
    "albatross_crds",
    "albatross_operator",
    "albatross_proto",
    "albatross_tests",
];

#[test]
fn runtime_modules_import_only_what_the_table_allows() {
    assert_edges("runtime", RUNTIME);
}

#[test]
fn operator_modules_import_only_what_the_table_allows() {
    assert_edges("operator", OPERATOR);
}

#[test]
fn a_child_never_imports_its_parent() {
    let mut broken = Vec::new();
    for name in ["crds", "operator", "runtime"] {
        for source in sources(name) {
            let child = source.module.len() > 1;
            if child && source.code.contains("super::") {
                broken.push(format!(
                    "{}: names its parent through `super::`",
                    source.file.display()
                ));
            }
            if child {
                broken.extend(parents_named_by(&source));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "a child module never imports its parent:\n{}",
        broken.join("\n")
    );
}

#[test]
fn one_place_reads_the_environment() {
    let readers: BTreeSet<String> = ["operator", "runtime"]
        .iter()
        .flat_map(|name| sources(name))
        .filter(|source| source.code.contains("env::var") || source.code.contains("env = \""))
        .map(|source| source.module[0].clone())
        .filter(|module| module != "config")
        .collect();
    assert!(
        readers.is_empty(),
        "only config.rs reads the environment, but so do: {readers:?}"
    );
}

struct Source {
    file: PathBuf,
    /// `runtime/src/http/error.rs` is `["http", "error"]`.
    module: Vec<String>,
    /// Without comments and without what follows `#[cfg(test)]`.
    code: String,
}

fn assert_edges(name: &str, table: Edges) {
    let mut broken = Vec::new();
    for source in sources(name) {
        let from = source.module[0].as_str();
        let Some((_, allowed)) = table.iter().find(|(module, _)| *module == from) else {
            broken.push(format!(
                "{}: module `{from}` has no row in the table",
                source.file.display()
            ));
            continue;
        };
        if from == "lib" {
            continue;
        }
        for to in named_modules(&source.code) {
            if !allowed.contains(&to.as_str()) {
                broken.push(format!(
                    "{}: `{from}` may not import `{to}`",
                    source.file.display()
                ));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "imports outside the table:\n{}",
        broken.join("\n")
    );
}

/// The first segment of every `crate::…` path (grouped imports too), and every crate of the workspace.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut modules: BTreeSet<String> = paths(code, "crate::")
        .into_iter()
        .map(|path| path[0].clone())
        .collect();
    for name in CRATES {
        if code
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| word == name)
            && code.contains(&format!("{name}::"))
        {
            modules.insert(name.to_owned());
        }
    }
    modules
}

/// Items of the module's own parent that are not modules themselves.
fn parents_named_by(source: &Source) -> Vec<String> {
    let parent = &source.module[..source.module.len() - 1];
    paths(&source.code, "crate::")
        .into_iter()
        .filter(|path| path.len() == parent.len() + 1 && path.starts_with(parent))
        .filter(|path| !path.last().is_some_and(|item| is_module(source, item)))
        .map(|path| {
            format!(
                "{}: names `{}` of its parent",
                source.file.display(),
                path.join("::")
            )
        })
        .collect()
}

fn is_module(source: &Source, item: &str) -> bool {
    let folder = source
        .file
        .parent()
        .expect("a source file lies in a folder");
    folder.join(format!("{item}.rs")).exists() || folder.join(item).is_dir()
}

/// Every path behind `prefix`, braces expanded: `crate::a::{b, c::d}` gives `a::b` and `a::c::d`.
fn paths(code: &str, prefix: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices(prefix) {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        expand(&code[start + prefix.len()..], &mut Vec::new(), &mut found);
    }
    found
}

/// Reads one path, or one brace group, at the start of `code`; returns what is left behind it.
fn expand<'code>(
    code: &'code str,
    stem: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> &'code str {
    let code = code.trim_start();
    if let Some(mut rest) = code.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            if let Some(behind) = rest.strip_prefix('}') {
                return behind;
            }
            let left = expand(rest, &mut stem.clone(), found);
            if left.len() == rest.len() {
                return left;
            }
            rest = left;
        }
    }
    let end = code
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(code.len());
    if end == 0 {
        return code.strip_prefix('*').unwrap_or(code);
    }
    stem.push(code[..end].to_owned());
    match code[end..].strip_prefix("::") {
        Some(rest) => expand(rest, stem, found),
        None => {
            found.push(stem.clone());
            let rest = &code[end..];
            match rest.trim_start().strip_prefix("as ") {
                Some(alias) => alias
                    .trim_start()
                    .trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
                None => rest,
            }
        }
    }
}

fn sources(name: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(name)
        .join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(!files.is_empty(), "no sources under {}", root.display());
    files
        .into_iter()
        .filter(|file| !file.starts_with(root.join("bin")))
        .map(|file| {
            let text = fs::read_to_string(&file).expect("a source file can be read");
            let code = text
                .lines()
                .take_while(|line| !line.starts_with("#[cfg(test)]"))
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect::<Vec<_>>()
                .join("\n");
            let module = file
                .strip_prefix(&root)
                .expect("collected below the root")
                .with_extension("")
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect();
            Source { file, module, code }
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a source folder can be listed") {
        let path = entry.expect("a folder entry can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_reader_of_paths_expands_groups() {
    let code = "use crate::ports::{cache::Cache, clock as time, event_store::{Append, *}};\nlet x = crate::domain::ids::UserId;";
    let found: Vec<String> = paths(code, "crate::")
        .into_iter()
        .map(|path| path.join("::"))
        .collect();
    assert_eq!(
        found,
        [
            "ports::cache::Cache",
            "ports::clock",
            "ports::event_store::Append",
            "domain::ids::UserId"
        ]
    );
}
