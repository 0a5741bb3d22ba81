//! How a suite prints its results.

/// What `--format` chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people, while tests run.
    Text,
    /// Test Anything Protocol.
    Tap,
    /// One document.
    Json,
    /// A table.
    Markdown,
}

impl Format {
    /// The one with this word.
    pub fn of(word: &str) -> Option<Format> {
        match word {
            "text" => Some(Format::Text),
            "tap" => Some(Format::Tap),
            "json" => Some(Format::Json),
            "markdown" => Some(Format::Markdown),
            _ => None,
        }
    }
}
