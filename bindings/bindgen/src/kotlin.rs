//! Writes Kotlin for the compiled library: `uniffi-bindgen generate --language kotlin --no-format --out-dir OUT LIBRARY`.
//! The library must not be stripped: the description of the interface is in its symbols.

fn main() {
    uniffi::uniffi_bindgen_main();
}
