//! What is stored is for ever: every number of the schema that was ever released keeps its meaning, or is reserved.

use std::collections::{BTreeMap, BTreeSet};

/// Lines are added, never changed or removed.
const REGISTRY: &str = include_str!("../registry.txt");

/// The schema as it is now.
#[derive(Default)]
struct Schema {
    /// `EventKind 101` and what it is: `EVENT_KIND_TENANT_CREATED`.
    numbers: BTreeMap<String, String>,
    /// Messages and enums.
    names: BTreeSet<String>,
    /// `EventKind 101` and `EventKind EVENT_KIND_TENANT_CREATED`.
    reserved: BTreeSet<String>,
}

fn schema(files: &[&str], folder: &str) -> Schema {
    let mut schema = Schema::default();
    for file in protox::compile(files, [folder])
        .expect("the schema compiles")
        .file
    {
        for message in &file.message_type {
            let name = message.name();
            schema.names.insert(name.to_owned());
            assert!(
                message.nested_type.is_empty() && message.enum_type.is_empty(),
                "{name} nests"
            );
            for field in &message.field {
                let label = if field.proto3_optional() {
                    "optional "
                } else if field.label() as i32 == 3 {
                    "repeated "
                } else {
                    ""
                };
                let kind = match field.type_name.as_deref() {
                    Some(path) => path.rsplit('.').next().unwrap_or(path).to_owned(),
                    None => field.r#type().as_str_name()["TYPE_".len()..].to_lowercase(),
                };
                let meaning = format!("{} {label}{kind}", field.name());
                schema.number(name, field.number(), meaning);
            }
            for range in &message.reserved_range {
                schema.reserve(name, range.start()..range.end());
            }
            schema.reserve_names(name, &message.reserved_name);
        }
        for group in &file.enum_type {
            let name = group.name();
            schema.names.insert(name.to_owned());
            for value in &group.value {
                schema.number(name, value.number(), value.name().to_owned());
            }
            for range in &group.reserved_range {
                // Unlike a message's, an enum's range holds its end.
                schema.reserve(name, range.start()..range.end() + 1);
            }
            schema.reserve_names(name, &group.reserved_name);
        }
    }
    schema
}

impl Schema {
    fn number(&mut self, group: &str, number: i32, meaning: String) {
        self.numbers.insert(format!("{group} {number}"), meaning);
    }

    fn reserve(&mut self, group: &str, numbers: std::ops::Range<i32>) {
        let keys = numbers.map(|number| format!("{group} {number}"));
        self.reserved.extend(keys);
    }

    fn reserve_names(&mut self, group: &str, names: &[String]) {
        let keys = names.iter().map(|name| format!("{group} {name}"));
        self.reserved.extend(keys);
    }

    /// Where it breaks with what was released, and what it has that is not registered yet.
    fn faults(&self, registry: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut registered = BTreeSet::new();
        for line in registry.lines().filter(|line| !line.starts_with('#')) {
            let (key, meaning) = line.split_once(" = ").expect("a registered number");
            let (group, _) = key.split_once(' ').expect("a group and a number");
            let name = meaning.split(' ').next().unwrap_or_default();
            registered.insert(key);
            match self.numbers.get(key) {
                Some(now) if now == meaning => {}
                Some(now) => faults.push(format!("{key} was {meaning:?} and is reused as {now:?}")),
                None if !self.names.contains(group) => {
                    faults.push(format!(
                        "{group} is gone, and events that hold it are stored"
                    ));
                }
                None => {
                    for key in [key.to_owned(), format!("{group} {name}")] {
                        if !self.reserved.contains(&key) {
                            faults.push(format!("{key} was dropped: reserve it"));
                        }
                    }
                }
            }
        }
        let new = self.numbers.iter();
        let new = new.filter(|(key, _)| !registered.contains(key.as_str()));
        faults.extend(new.map(|(key, meaning)| format!("add to registry.txt: {key} = {meaning}")));
        faults
    }
}

#[test]
fn no_number_that_was_ever_released_means_something_else() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let listed = std::fs::read_dir(format!("{folder}/albatross/v1")).expect("the schema's folder");
    let files: Vec<String> = listed
        .map(|file| file.expect("a file").file_name().into_string())
        .map(|name| format!("albatross/v1/{}", name.expect("a name")))
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let faults = schema(&files, folder).faults(REGISTRY);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The schema that `text` describes, against a registry of one message and one enum.
fn faults_of(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a directory");
    let source = format!("syntax = \"proto3\";\n{text}");
    std::fs::write(folder.path().join("test.proto"), source).expect("a file");
    let folder = folder.path().to_str().expect("a path");
    schema(&["test.proto"], folder).faults(
        "# comment\nFiled 1 = pilot bytes\nFiled 2 = notes repeated string\nKind 0 = NONE\nKind 7 = FILED",
    )
}

const MESSAGE: &str = "message Filed { bytes pilot = 1; repeated string notes = 2; }";
const KINDS: &str = "enum Kind { NONE = 0; FILED = 7; }";

#[test]
fn what_stays_or_is_reserved_is_fine() {
    assert!(faults_of(&format!("{MESSAGE} {KINDS}")).is_empty());
    let reserved = "message Filed { reserved 2; reserved \"notes\"; bytes pilot = 1; } \
         enum Kind { reserved 7; reserved \"FILED\"; NONE = 0; }";
    assert!(faults_of(reserved).is_empty());
}

#[test]
fn what_is_reused_dropped_or_new_is_named() {
    let one = |text: &str, fault: &str| {
        assert_eq!(faults_of(text), [fault], "{text}");
    };
    one(
        &format!("{MESSAGE} enum Kind {{ NONE = 0; LANDED = 7; }}"),
        "Kind 7 was \"FILED\" and is reused as \"LANDED\"",
    );
    one(
        &format!("message Filed {{ string pilot = 1; repeated string notes = 2; }} {KINDS}"),
        "Filed 1 was \"pilot bytes\" and is reused as \"pilot string\"",
    );
    one(
        &format!(
            "message Filed {{ optional bytes pilot = 1; repeated string notes = 2; }} {KINDS}"
        ),
        "Filed 1 was \"pilot bytes\" and is reused as \"pilot optional bytes\"",
    );
    one(
        &format!("message Filed {{ bytes pilot = 1; reserved \"notes\"; }} {KINDS}"),
        "Filed 2 was dropped: reserve it",
    );
    one(
        &format!("message Filed {{ bytes pilot = 1; reserved 2; }} {KINDS}"),
        "Filed notes was dropped: reserve it",
    );
    one(
        &format!(
            "message Filed {{ bytes pilot = 1; repeated string notes = 2; bool late = 3; }} {KINDS}"
        ),
        "add to registry.txt: Filed 3 = late bool",
    );
    assert_eq!(
        faults_of(MESSAGE)[0],
        "Kind is gone, and events that hold it are stored"
    );
}
