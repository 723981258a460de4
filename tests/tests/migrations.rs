//! Migrations expand: while they run, and afterwards until its last pod is gone, the release before serves what they made.
//! What takes something away from it is refused, unless it is named here with the reason why nobody misses it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each is applied by itself, in the order of its numbers.
const FOLDERS: [&str; 4] = ["postgres", "sqlite/log", "sqlite/read", "sqlite/track"];

/// A migration that takes away what no release needs any more that may still run.
struct Contraction {
    /// As `postgres/0001_log.sql`.
    file: &'static str,
    /// What it takes away, as the fault tells.
    fault: &'static str,
    /// The earlier migration that brought what took its place, and has been released since.
    expanded_by: &'static str,
    why: &'static str,
}

/// None so far.
const CONTRACTIONS: &[Contraction] = &[];

#[test]
fn migrations_expand_before_they_contract() {
    let faults = judged(&landed(), CONTRACTIONS);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Every migration that there is, by its file, in the order in which they are applied.
fn landed() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut found = Vec::new();
    for folder in FOLDERS {
        let listed = fs::read_dir(root.join(folder)).expect("a folder of migrations");
        let mut files: Vec<PathBuf> = listed
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        for (file, number) in files.iter().zip(1..) {
            let name = file.file_name().expect("a name").to_string_lossy();
            let name = format!("{folder}/{name}");
            let begins = format!("{folder}/{number:04}_");
            assert!(name.starts_with(&begins), "{name} is not number {number}");
            found.push((name, fs::read_to_string(file).expect("a migration")));
        }
    }
    let missed = "a folder of migrations is not read here";
    assert_eq!(found.len(), files_below(&root), "{missed}");
    found
}

fn files_below(folder: &Path) -> usize {
    let listed = fs::read_dir(folder).expect("a folder");
    let paths = listed.map(|entry| entry.expect("an entry").path());
    let counts = paths.map(|path| if path.is_dir() { files_below(&path) } else { 1 });
    counts.sum()
}

/// What is wrong with these migrations.
fn judged(migrations: &[(String, String)], contractions: &[Contraction]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut found = BTreeSet::new();
    for (file, sql) in migrations {
        let own = contractions.iter().filter(|it| it.file == file);
        let permitted: BTreeSet<&str> = own.map(|it| it.fault).collect();
        for fault in faults_of(sql) {
            if !permitted.contains(fault.as_str()) {
                faults.push(format!(
                    "{file}: {fault}: expand first, and contract in a later release"
                ));
            }
            found.insert((file.as_str(), fault));
        }
    }
    let place = |file: &str| migrations.iter().position(|(name, _)| name == file);
    for it in contractions {
        let (file, fault) = (it.file, it.fault);
        if !found.contains(&(file, fault.to_owned())) {
            faults.push(format!("{file} does not contract: {fault}"));
        }
        if place(it.expanded_by).is_none_or(|expanded| Some(expanded) >= place(file)) {
            let expanded = it.expanded_by;
            faults.push(format!("{file}: {expanded} does not come before it"));
        }
        if it.why.is_empty() {
            faults.push(format!("{file}: it does not say why"));
        }
    }
    faults
}

/// The statements of a migration that are not known to leave alone what was there before it, each as it begins.
fn faults_of(sql: &str) -> Vec<String> {
    let statements = statements(sql);
    let made: BTreeSet<&str> = statements.iter().filter_map(|it| made(it)).collect();
    let harmful = statements.iter().filter(|it| !expands(it, &made));
    harmful.map(|it| told(it)).collect()
}

fn told(statement: &[String]) -> String {
    let mut words = statement.to_vec();
    if words.len() > 8 {
        words.truncate(8);
        words.push("…".to_owned());
    }
    words.join(" ")
}

/// The table, function or schema that a statement makes.
fn made(statement: &[String]) -> Option<&str> {
    let words: Vec<&str> = statement.iter().map(String::as_str).collect();
    match words[..] {
        // It may have been there.
        ["CREATE", _, "IF", ..] => None,
        ["CREATE", "TABLE" | "FUNCTION" | "SCHEMA", name, ..] => Some(name),
        _ => None,
    }
}

/// Only what is known here: anything else is for a person to look at.
fn expands(statement: &[String], made: &BTreeSet<&str>) -> bool {
    let words: Vec<&str> = statement.iter().map(String::as_str).collect();
    match words[..] {
        ["CREATE", "TABLE" | "FUNCTION" | "SCHEMA" | "INDEX", ..]
        | ["CREATE", "OR", "REPLACE", "FUNCTION", ..]
        | ["COMMENT" | "GRANT" | "INSERT" | "SELECT" | "UPDATE", ..] => true,
        // What older releases write need not be unique.
        ["CREATE", "UNIQUE", "INDEX", _, "ON", table, ..] => made.contains(table),
        ["REVOKE", .., "FUNCTION", name, "(", ")", "FROM", "PUBLIC"] => made.contains(name),
        ["ALTER", "TABLE", table, ref rest @ ..] => {
            made.contains(table) || rest.split(|it| *it == ",").all(adds)
        }
        // It may do anything: these are what takes something away. What stands in quotes is not read.
        ["DO", ..] => {
            let takes = ["ALTER", "DROP", "RENAME", "REVOKE", "TRUNCATE"];
            let deletes = words.windows(2).any(|it| it == ["DELETE", "FROM"]);
            let is_hidden = words.iter().any(|it| it.starts_with('\''));
            !deletes && !is_hidden && !words.iter().any(|it| takes.contains(it))
        }
        _ => false,
    }
}

/// Whether an action of ALTER TABLE takes nothing from those who write rows without it, or read all columns.
fn adds(action: &[&str]) -> bool {
    let binding = ["CHECK", "PRIMARY", "REFERENCES", "UNIQUE"];
    match action {
        ["ADD", "COLUMN", definition @ ..] => {
            let must_be_given = definition.windows(2).any(|it| it == ["NOT", "NULL"])
                && !definition.contains(&"DEFAULT");
            !must_be_given && !definition.iter().any(|it| binding.contains(it))
        }
        [
            "ALTER",
            "COLUMN",
            _,
            "SET",
            "STORAGE" | "DEFAULT" | "STATISTICS",
            ..,
        ]
        | ["SET", "(", ..] => true,
        _ => false,
    }
}

/// The statements as words in capitals, without comments. What a function does, it does when it is called; what DO does, it
/// does here, and what it hands to EXECUTE is read as well.
fn statements(sql: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut rest = sql;
    while let Some(next) = rest.chars().next() {
        let (word, behind) = token(rest, next);
        rest = behind;
        match word {
            ";" => found.push(std::mem::take(&mut words)),
            body if body.starts_with("$$") => {
                if words.first().is_some_and(|first| first == "DO") {
                    let body = body.trim_matches('$').replace(['\'', ';'], " ");
                    words.extend(statements(&body).concat());
                }
            }
            word if word.trim().is_empty() || word.starts_with("--") => {}
            word => words.push(word.to_uppercase()),
        }
    }
    found.push(words);
    found.retain(|words| !words.is_empty());
    found
}

/// The first token, and what is behind it.
fn token(sql: &str, first: char) -> (&str, &str) {
    let closed_by = |opening: usize, end: &str| {
        let found = sql[opening..].find(end);
        found.map_or(sql.len(), |at| opening + at + end.len())
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.' || c == '"';
    let end = match first {
        '-' if sql.starts_with("--") => closed_by(2, "\n"),
        '\'' => closed_by(1, "'"),
        '$' if sql.starts_with("$$") => closed_by(2, "$$"),
        c if is_word(c) => sql.find(|c| !is_word(c)).unwrap_or(sql.len()),
        c => c.len_utf8(),
    };
    sql.split_at(end)
}

fn one(file: &str, sql: &str) -> (String, String) {
    (file.to_owned(), sql.to_owned())
}

#[test]
fn what_takes_something_away_is_named() {
    for (sql, fault) in [
        ("DROP TABLE log.claims;", "DROP TABLE LOG.CLAIMS"),
        (
            "-- Nobody reads it.\ndrop function log.tables();",
            "DROP FUNCTION LOG.TABLES ( )",
        ),
        ("DROP INDEX commands_by_age", "DROP INDEX COMMANDS_BY_AGE"),
        (
            "ALTER TABLE t DROP COLUMN a;",
            "ALTER TABLE T DROP COLUMN A",
        ),
        (
            "ALTER TABLE t ADD COLUMN b int, DROP a;",
            "ALTER TABLE T ADD COLUMN B INT , …",
        ),
        (
            "ALTER TABLE t RENAME COLUMN a TO b;",
            "ALTER TABLE T RENAME COLUMN A TO B",
        ),
        ("ALTER TABLE t RENAME TO u;", "ALTER TABLE T RENAME TO U"),
        (
            "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            "ALTER TABLE T ALTER COLUMN A TYPE BIGINT",
        ),
        (
            "ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
            "ALTER TABLE T ALTER COLUMN A SET NOT …",
        ),
        (
            "ALTER TABLE t ALTER COLUMN a DROP NOT NULL;",
            "ALTER TABLE T ALTER COLUMN A DROP NOT …",
        ),
        (
            "ALTER TABLE t ADD COLUMN a int NOT NULL;",
            "ALTER TABLE T ADD COLUMN A INT NOT …",
        ),
        (
            "ALTER TABLE t ADD COLUMN a int UNIQUE;",
            "ALTER TABLE T ADD COLUMN A INT UNIQUE",
        ),
        (
            "ALTER TABLE t ADD PRIMARY KEY (a);",
            "ALTER TABLE T ADD PRIMARY KEY ( A …",
        ),
        (
            "ALTER TYPE kind RENAME VALUE 'a' TO 'b';",
            "ALTER TYPE KIND RENAME VALUE 'A' TO 'B'",
        ),
        (
            "CREATE UNIQUE INDEX i ON t (a);",
            "CREATE UNIQUE INDEX I ON T ( A …",
        ),
        (
            "DELETE FROM track.positions;",
            "DELETE FROM TRACK.POSITIONS",
        ),
        ("TRUNCATE log.commands;", "TRUNCATE LOG.COMMANDS"),
        (
            "REVOKE INSERT ON t FROM app;",
            "REVOKE INSERT ON T FROM APP",
        ),
        (
            "DO $$ BEGIN EXECUTE format('REVOKE INSERT ON t FROM %I', app); END $$;",
            "DO BEGIN EXECUTE FORMAT ( REVOKE INSERT ON …",
        ),
        (
            "DO 'BEGIN DROP TABLE t; END';",
            "DO 'BEGIN DROP TABLE T; END'",
        ),
        (
            "CREATE TABLE IF NOT EXISTS t (a int); ALTER TABLE t DROP COLUMN a;",
            "ALTER TABLE T DROP COLUMN A",
        ),
        (
            "CREATE TABLE IF NOT EXISTS u (a int); ALTER TABLE IF EXISTS t DROP COLUMN a;",
            "ALTER TABLE IF EXISTS T DROP COLUMN A",
        ),
        (
            "DO $$ BEGIN DELETE FROM t; END $$;",
            "DO BEGIN DELETE FROM T END",
        ),
    ] {
        let migrations = [
            one("postgres/0001_a.sql", "CREATE TABLE t (a int);"),
            one("postgres/0002_b.sql", sql),
        ];
        let expected =
            format!("postgres/0002_b.sql: {fault}: expand first, and contract in a later release");
        assert_eq!(judged(&migrations, &[]), [expected]);
    }
}

#[test]
fn what_only_adds_is_fine() {
    for sql in [
        "CREATE TABLE t (a int NOT NULL, UNIQUE (a)); CREATE UNIQUE INDEX i ON t (a); ALTER TABLE t DROP COLUMN a;",
        "ALTER TABLE t ADD COLUMN a int; ALTER TABLE t ADD COLUMN b int NOT NULL DEFAULT 0, ALTER COLUMN a SET STORAGE EXTERNAL;",
        "CREATE OR REPLACE FUNCTION f() RETURNS void AS $$ BEGIN DELETE FROM t; DROP TABLE u; END $$; -- DROP TABLE t;",
        "DO $$ BEGIN EXECUTE format('GRANT SELECT, DELETE ON t TO %I', app); END $$;",
        "INSERT INTO t VALUES ('; DROP TABLE t;'); UPDATE t SET a = 1 WHERE a IS NULL",
    ] {
        assert_eq!(faults_of(sql), [""; 0], "{sql}");
    }
}

#[test]
fn a_contraction_names_what_took_its_place_and_why() {
    let migrations = [
        one("postgres/0001_a.sql", "CREATE TABLE t (a int);"),
        one("postgres/0002_b.sql", "ALTER TABLE t ADD COLUMN b bigint;"),
        one("postgres/0003_c.sql", "ALTER TABLE t DROP COLUMN a;"),
    ];
    let contraction = |file, expanded_by, why| Contraction {
        file,
        fault: "ALTER TABLE T DROP COLUMN A",
        expanded_by,
        why,
    };
    let [second, third] = ["postgres/0002_b.sql", "postgres/0003_c.sql"];
    let judged = |contractions: &[Contraction]| judged(&migrations, contractions);
    let good = || contraction(third, second, "0.1.0 was the last to read it");
    assert_eq!(judged(&[good()]), [""; 0]);
    let none = "postgres/0003_c.sql: ALTER TABLE T DROP COLUMN A: expand first, and contract in a later release";
    assert_eq!(judged(&[]), [none]);
    let late = format!("{third}: {third} does not come before it");
    assert_eq!(judged(&[contraction(third, third, "because")]), [late]);
    assert_eq!(
        judged(&[contraction(third, second, "")]),
        [format!("{third}: it does not say why")]
    );
    let idle = format!("{second} does not contract: ALTER TABLE T DROP COLUMN A");
    assert_eq!(
        judged(&[
            good(),
            contraction(second, "postgres/0001_a.sql", "because")
        ]),
        [idle]
    );
}
