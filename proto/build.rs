//! Compiles the event schema without a `protoc`.

use std::error::Error;

const FILES: [&str; 7] = [
    "albatross/v1/common.proto",
    "albatross/v1/review.proto",
    "albatross/v1/tenant.proto",
    "albatross/v1/user.proto",
    "albatross/v1/pirep.proto",
    "albatross/v1/catalogue.proto",
    "albatross/v1/bid.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=albatross");
    let descriptors = protox::compile(FILES, ["."])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
