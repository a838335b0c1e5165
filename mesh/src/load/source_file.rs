//! The input: manifest files as text.

/// A manifest file, or what came in on standard input.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The name that faults and explanations use.
    pub name: String,
    /// YAML (or JSON, which is YAML), one document or several.
    pub text: String,
}
