//! What lies in `examples/` is valid and fits together.

use std::{collections::BTreeMap, fs, path::Path};

use albatross_crds::{
    admission::admit,
    manifest::{Manifest, parse},
    validation::{validate_api_key, validate_tenant},
};

/// Every object of every file, in the order in which `kubectl apply -f` reads them.
fn examples() -> Vec<Manifest> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of examples")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).expect("a text");
            parse(&text, &path.to_string_lossy()).expect("valid manifests")
        })
        .collect()
}

#[test]
fn the_examples_are_two_airlines_with_a_key_each() {
    let kinds: Vec<_> = examples()
        .iter()
        .map(|manifest| match manifest {
            Manifest::Namespace { .. } => "Namespace",
            Manifest::Tenant(_) => "Tenant",
            Manifest::ApiKey(_) => "ApiKey",
            Manifest::Other { .. } => "other",
        })
        .collect();
    assert_eq!(kinds, ["Namespace", "Tenant", "Tenant", "ApiKey", "ApiKey"]);
}

#[test]
fn each_key_is_admitted_by_its_tenant_and_by_no_other() {
    let examples = examples();
    let mut tenants = Vec::new();
    let mut namespaces = BTreeMap::new();
    for manifest in &examples {
        match manifest {
            Manifest::Tenant(tenant) => {
                let name = tenant.metadata.name.as_deref().unwrap();
                tenants.push(validate_tenant(&tenant.spec, name).unwrap());
            }
            Manifest::Namespace { name, labels } => {
                namespaces.insert(name.clone(), labels.clone());
            }
            _ => {}
        }
    }
    for manifest in &examples {
        let Manifest::ApiKey(key) = manifest else {
            continue;
        };
        let namespace = key.metadata.namespace.as_deref().unwrap();
        let labels = &namespaces[namespace];
        let key = validate_api_key(&key.spec).unwrap();
        let tenant = tenants
            .iter()
            .find(|tenant| tenant.name == key.tenant)
            .unwrap();
        assert_eq!(admit(tenant, &key, namespace, labels), Ok(()));
        assert!(admit(tenant, &key, namespace, &BTreeMap::new()).is_err());
    }
}
