//! Writes Swift, C headers and module maps for the compiled library; see `uniffi-bindgen-swift --help`.

fn main() {
    uniffi::uniffi_bindgen_swift();
}
