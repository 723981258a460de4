//! Writes the definitions' files into the repository.

use std::{fs, io, path::Path};

use albatross_crds::definitions;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in definitions::files() {
        let path = root.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, &file.content)?;
        println!("{}", file.path);
    }
    Ok(())
}
