//! The closed list of all codes. A new one is a line here and a page in `src/check/rules/`.

use std::fmt;
use std::str::FromStr;

use super::Severity;

/// One line a code: variant, name, severity. The page is `src/check/rules/<name>.md`.
macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident,)*) => {
        /// What kind of finding it is. Names are stable once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = include_str!(concat!("../check/rules/", $name, ".md"))] $variant,)*
        }

        impl Code {
            /// Every code, in the order of this list.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name: `unknown-key`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How much a finding of this code matters, unless it says otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// The page that explains it, in Markdown: what `lockstep rules <code>` shows.
            pub fn page(self) -> &'static str {
                match self { $(Self::$variant => include_str!(concat!("../check/rules/", $name, ".md")),)* }
            }
        }
    };
}

codes! {
    // Reading the text of a file (src/yaml).
    YamlSyntax "yaml-syntax" Error,
    TextAfterQuotes "text-after-quotes" Error,
    ColonInText "colon-in-text" Error,
    UnexpectedTag "unexpected-tag" Error,
    BracketInFlow "bracket-in-flow" Error,
    CommentCutsText "comment-cuts-text" Warning,
    PlusNumber "plus-number" Warning,
    TabIndentation "tab-indentation" Error,
    DuplicateKey "duplicate-key" Error,
    KeyNotText "key-not-text" Error,
    BadAlias "bad-alias" Error,
    YamlLimit "yaml-limit" Error,
    SeveralDocuments "several-documents" Error,
    // Comparing a file with what may be written in it (src/config/structure.rs).
    UnknownKey "unknown-key" Error,
    MissingKey "missing-key" Error,
    WrongType "wrong-type" Error,
    UnknownWord "unknown-word" Error,
    OneOf "one-of" Error,
    InvalidFormat "invalid-format" Error,
    InvalidValue "invalid-value" Error,
    // Which files there are (src/config/load.rs).
    StrayFile "stray-file" Warning,
    MissingClient "missing-client" Error,
    BadSchema "bad-schema" Error,
    // Looking at a client as a whole (src/check/rules/).
    NameDiffers "name-differs" Error,
    DuplicateName "duplicate-name" Error,
    BadPlaceholder "bad-placeholder" Error,
    SecretWritten "secret-written" Error,
    UnknownConnector "unknown-connector" Error,
    BadManifest "bad-manifest" Error,
    ConnectionConfig "connection-config" Error,
    UnknownApiVersion "unknown-api-version" Warning,
    BadOwner "bad-owner" Error,
    ForeignWrite "foreign-write" Error,
    ReadOnly "read-only" Error,
    NoEvents "no-events" Error,
    UnusedConnection "unused-connection" Warning,
    UnknownEvent "unknown-event" Error,
    DisabledPipeline "disabled-pipeline" Warning,
    RetryTooLong "retry-too-long" Warning,
    BadSchedule "bad-schedule" Error,
    ShortInterval "short-interval" Warning,
    UnusedPart "unused-part" Warning,
    UnknownPipeline "unknown-pipeline" Error,
    TestCase "test-case" Error,
    // Looking at all pipelines of a client together (src/check/graph).
    TwoWriters "two-writers" Warning,
    EndlessLoop "endless-loop" Error,
    UnusedResult "unused-result" Warning,
    UnorderedUpdate "unordered-update" Warning,
    MixedModes "mixed-modes" Warning,
    // Comparing writes and look-ups with what the account has (src/check/rules, by src/check/access.rs).
    UnpulledObject "unpulled-object" Warning,
    UnknownField "unknown-field" Error,
    ReadOnlyField "read-only-field" Error,
    MissingField "missing-field" Error,
    RequiredField "required-field" Warning,
    UnknownOption "unknown-option" Error,
    FieldType "field-type" Error,
    TextTooLong "text-too-long" Error,
    KeyNotUnique "key-not-unique" Warning,
    // Resolving the names of a pipeline (src/steps/lower.rs).
    UnknownConnection "unknown-connection" Error,
    UnknownObject "unknown-object" Error,
    UnknownOperation "unknown-operation" Error,
    CallParams "call-params" Error,
    UnknownRelation "unknown-relation" Error,
    UnsupportedAction "unsupported-action" Error,
    UnknownStep "unknown-step" Error,
    LaterStep "later-step" Error,
    StepResult "step-result" Error,
    StepOutcome "step-outcome" Error,
    DuplicateStep "duplicate-step" Error,
    IncompleteFind "incomplete-find" Error,
    MixedEvents "mixed-events" Error,
    UnreachableBranch "unreachable-branch" Error,
    BlindPolicy "blind-policy" Error,
    UnknownPart "unknown-part" Error,
    PartArguments "part-arguments" Error,
    PartCycle "part-cycle" Error,
    CreateWithoutKey "create-without-key" Warning,
    DangerousStep "dangerous-step" Warning,
    WeakKey "weak-key" Warning,
    CardData "card-data" Error,
    PollUnable "poll-unable" Error,
    // Looking at what its values are (src/check/types, src/check/rules).
    UnknownPath "unknown-path" Error,
    MovedField "moved-field" Error,
    PartialField "partial-field" Warning,
    NotExpanded "not-expanded" Error,
    ImpossibleWord "impossible-word" Error,
    MapWords "map-words" Error,
    MinorUnits "minor-units" Error,
    WrongMoney "wrong-money" Error,
    WrongKind "wrong-kind" Error,
    RawTime "raw-time" Warning,
    NoZone "no-zone" Warning,
    ConstantCondition "constant-condition" Warning,
    UnreachableStep "unreachable-step" Warning,
    // Excusing findings (src/check/judge.rs).
    AllowComment "allow-comment" Warning,
    UnknownRule "unknown-rule" Warning,
    UnusedAllow "unused-allow" Warning,
    // Compiling its expressions (src/expr).
    PathSyntax "path-syntax" Error,
    ScriptSyntax "script-syntax" Error,
    TemplateSyntax "template-syntax" Error,
    UnknownVariable "unknown-variable" Error,
    UnknownFunction "unknown-function" Error,
    WrongArguments "wrong-arguments" Error,
    UnknownModifier "unknown-modifier" Error,
    ModifierValue "modifier-value" Error,
    ModifierClash "modifier-clash" Error,
    BlankValue "blank-value" Error,
    LooksLikeExpression "looks-like-expression" Warning,
    BadTransform "bad-transform" Error,
    BadMap "bad-map" Error,
    ReservedName "reserved-name" Error,
    BadForm "bad-form" Error,
    TooComplex "too-complex" Error,
}

impl Code {
    /// What it finds: the first sentence of its page.
    pub fn summary(self) -> String {
        let text = self.page().lines().skip_while(|line| line.starts_with('#') || line.is_empty());
        let paragraph: Vec<&str> = text.take_while(|line| !line.is_empty()).collect();
        let paragraph = paragraph.join(" ");
        let end = paragraph.find(". ").map_or(paragraph.len(), |dot| dot + 1);
        paragraph[..end].trim_end_matches(['.', ':']).to_owned()
    }

    /// True when nothing could run that has such a finding: the text cannot be read, or something that it names is
    /// not there. Neither a comment nor a project can excuse it. All other findings are judgements.
    pub fn is_firm(self) -> bool {
        self.severity() == Severity::Error && !self.is_judgement()
    }

    /// An error that a project may know better.
    fn is_judgement(self) -> bool {
        matches!(
            self,
            Self::SecretWritten
                | Self::ForeignWrite
                | Self::UnknownEvent
                | Self::EndlessLoop
                | Self::UnknownPath
                | Self::MovedField
                | Self::NotExpanded
                | Self::ImpossibleWord
                | Self::MapWords
                | Self::MinorUnits
                | Self::WrongMoney
                | Self::WrongKind
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Code {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        let names: HashSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
    }

    #[test]
    fn the_summary_is_the_first_sentence_of_the_page() {
        assert_eq!(Code::DuplicateKey.summary(), "One map has the same key twice");
        for code in Code::ALL {
            assert!(!code.summary().is_empty(), "{code}");
        }
    }

    #[test]
    fn each_page_has_its_title_and_both_examples() {
        for code in Code::ALL {
            let page = code.page();
            assert!(page.starts_with(&format!("# {code}\n")), "{code}: the title is the code");
            for part in ["\n## Wrong\n\n```yaml\n", "\n## Right\n\n```yaml\n"] {
                assert!(page.contains(part), "{code}: lacks {part:?}");
            }
        }
    }
}
