//! Makes sure that there is a web page to embed, even if only one that says how to build it.

use std::error::Error;
use std::fs;
use std::path::Path;

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
    if !dist.join("index.html").exists() {
        fs::create_dir_all(dist)?;
        fs::write(dist.join("index.html"), PLACEHOLDER)?;
    }
    println!("cargo:rerun-if-changed=ui/dist");
    // A new file among the embedded migrations changes none of those that the compiler has read.
    println!("cargo:rerun-if-changed=../migrations");
    Ok(())
}
