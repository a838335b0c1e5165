//! Attributes that rules match.

/// Where rules are evaluated, which decides what becomes of fields that only HTTP has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// For each request.
    Http,
    /// For each connection.
    Tcp,
}

/// An attribute that rules match, and how its matchers are put together.
pub(super) trait Attribute {
    /// A permission or a principal.
    type Matcher;

    fn each(&self, value: &str, layer: Layer) -> Result<Self::Matcher, Dropped>;
    /// All values, for an attribute that has one matcher for them.
    fn together(&self, values: &[String], layer: Layer) -> Option<Result<Self::Matcher, Dropped>>;
    fn any_of(matchers: Vec<Self::Matcher>) -> Self::Matcher;
    fn all_of(matchers: Vec<Self::Matcher>) -> Self::Matcher;
    fn not(matcher: Self::Matcher) -> Self::Matcher;
    fn anything() -> Self::Matcher;
}

/// What can't be matched: a field of HTTP on a TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dropped;
