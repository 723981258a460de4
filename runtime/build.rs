//! Makes sure that there is a web page to embed, even if only one that says how to build it.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

const PLACEHOLDER: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Albatross</title>
<h1>The web page is not part of this build</h1>
<p>Build it with <code>make ui</code>, then build the binary again.
The API is complete: see <a href=\"/api/docs\">its documentation</a>.
</html>
";

fn main() -> Result<(), Box<dyn Error>> {
    let dist = Path::new("ui/dist");
    let page = dist.join("index.html");
    if !page.exists() {
        fs::create_dir_all(dist)?;
        fs::write(&page, PLACEHOLDER)?;
        // Older than all that a page is made of: `make ui` does not take it for one.
        let placeholder = File::options().write(true).open(&page)?;
        placeholder.set_modified(SystemTime::UNIX_EPOCH)?;
    }
    println!("cargo:rerun-if-changed=ui/dist");
    // A new file among the embedded migrations changes none of those that the compiler has read.
    println!("cargo:rerun-if-changed=../migrations");
    Ok(())
}
