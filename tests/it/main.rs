//! What users see, black-box: through the binary, HTTP and YAML. One file for each thing a user can do.

mod rules;
mod store;
mod tidy;
