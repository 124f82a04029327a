//! The manifests that are compiled in: files of the same format as a project's own, with no privileges.

use std::sync::{Arc, LazyLock};

use super::fault::Fault;
use super::manifest::Manifest;

/// A manifest that is compiled in.
#[derive(Debug)]
pub struct Builtin {
    /// The connector's name.
    pub name: &'static str,
    /// The file's text.
    pub text: &'static str,
    compiled: LazyLock<Result<Arc<Manifest>, Vec<Fault>>>,
}

macro_rules! builtins {
    ($($name:literal),+ $(,)?) => {
        static BUILTINS: [Builtin; [$($name),+].len()] = [$(Builtin {
            name: $name,
            text: include_str!(concat!("builtin/", $name, ".yaml")),
            compiled: LazyLock::new(|| Manifest::read(concat!($name, ".yaml"), include_str!(concat!("builtin/", $name, ".yaml"))).map(Arc::new)),
        }),+];
    };
}

// A new connector is a file and a word here.
builtins!("activecampaign", "bitrix24", "http", "hubspot", "salesforce", "slack", "smtp", "stripe");

/// All of them, by name.
pub fn builtins() -> &'static [Builtin] {
    &BUILTINS
}

/// The built-in manifest of that name, compiled when it is first asked for.
pub fn builtin(name: &str) -> Option<Arc<Manifest>> {
    BUILTINS.iter().find(|builtin| builtin.name == name)?.manifest().ok().cloned()
}

impl Builtin {
    /// The compiled manifest. A test proves that none has faults.
    pub fn manifest(&self) -> Result<&Arc<Manifest>, &Vec<Fault>> {
        self.compiled.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_built_in_manifest_has_a_fault() {
        let faults: Vec<String> = builtins()
            .iter()
            .filter_map(|builtin| Some((builtin.name, builtin.manifest().err()?)))
            .flat_map(|(name, faults)| faults.iter().map(move |fault| format!("{name}: {fault}")))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
