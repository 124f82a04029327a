//! Files as text, named by what they say.

use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// A file of a project, as it is written: placeholders are in it and no secret is (invariant 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText {
    /// Where it is in the project, with `/` between the names: `pipelines/acme/client.yaml`.
    pub path: Arc<str>,
    /// What it says.
    pub text: Arc<str>,
}

/// The files that something is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSet {
    /// Names the set: a hash over the paths and texts. Equal versions behave the same.
    pub version: Arc<str>,
    /// The files, by path.
    pub files: Vec<FileText>,
}

impl FileText {
    /// Names the text: a hash over it.
    pub fn hash(&self) -> Arc<str> {
        name(Sha256::new_with_prefix(&*self.text))
    }
}

impl FileSet {
    /// The set of these files.
    pub fn of(mut files: Vec<FileText>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut hash = Sha256::new();
        for text in files.iter().flat_map(|file| [&file.path, &file.text]) {
            // With their lengths: no two sets run together to the same bytes.
            hash.update(text.len().to_le_bytes());
            hash.update(&**text);
        }
        Self { version: name(hash), files }
    }
}

/// The first half of a hash, as text: 128 bits are beyond any accident, and every run's row carries them.
pub(super) fn name(hash: Sha256) -> Arc<str> {
    let bytes = hash.finalize();
    let text = bytes.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    text.into()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::{assert_eq, assert_ne};

    use super::*;

    fn set(files: &[(&str, &str)]) -> FileSet {
        let file = |(path, text): &(&str, &str)| FileText { path: (*path).into(), text: (*text).into() };
        FileSet::of(files.iter().map(file).collect())
    }

    #[test]
    fn a_version_is_the_paths_and_texts_in_any_order() {
        let base = set(&[("a", "1"), ("b", "2")]);
        assert_eq!(base, set(&[("b", "2"), ("a", "1")]));
        assert_eq!(base.version.len(), 32);
        for other in [
            &[("a", "1"), ("b", "3")][..],
            &[("a", "1"), ("c", "2")],
            &[("a", "1")],
            &[("a", "1b"), ("", "2")],
            &[("a", ""), ("1b", "2")],
        ] {
            assert_ne!(base.version, set(other).version, "{other:?}");
        }
    }

    #[test]
    fn equal_texts_have_one_name_wherever_they_stand() {
        let set = set(&[("a", "same"), ("b", "same"), ("c", "other")]);
        assert_eq!(set.files[0].hash(), set.files[1].hash());
        assert_ne!(set.files[0].hash(), set.files[2].hash());
    }
}
