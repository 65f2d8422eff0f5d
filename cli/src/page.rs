//! The pages that errors point to.

/// A page of the documentation, or a heading on one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Agents,
    Batches,
    Bucket,
    Buying,
    Ceremonies,
    Command,
    Compiler,
    Demo,
    Doctor,
    Drawing,
    Files,
    Https,
    Inputs,
    InvalidProof,
    Market,
    Operators,
    Predictions,
    Problems,
    Proving,
    Ranges,
    Serving,
    Srs,
    Unreachable,
    Up,
}

impl Page {
    /// Where it is in the repository. What stands after `#` is a heading of the page.
    pub fn address(self) -> &'static str {
        match self {
            Self::Agents => "docs/agents.md",
            Self::Batches => "docs/cli.md#several-inferences-in-one-proof",
            Self::Bucket => "docs/errors.md#a-bucket-does-not-answer",
            Self::Buying => "docs/api.md#buying-an-inference",
            Self::Ceremonies => "docs/cli.md#ceremonies",
            Self::Command => "docs/cli.md",
            Self::Compiler => "docs/compiler.md",
            Self::Demo => "docs/cli.md#the-demo",
            Self::Doctor => "docs/errors.md#assay-doctor-finds-a-fault",
            Self::Drawing => "docs/cli.md#the-network-drawn",
            Self::Files => "docs/cli.md#files",
            Self::Https => "docs/cli.md#https",
            Self::Inputs => "docs/cli.md#inputs",
            Self::InvalidProof => "docs/errors.md#a-proof-does-not-hold",
            Self::Market => "docs/cli.md#the-market",
            Self::Operators => "docs/operators.md",
            Self::Predictions => "docs/api.md#predictions",
            Self::Problems => "docs/api.md#errors",
            Self::Proving => "docs/errors.md#a-proof-cannot-be-made",
            Self::Ranges => "docs/cli.md#what-does-not-fit",
            Self::Serving => "docs/errors.md#a-service-does-not-start",
            Self::Srs => "docs/cli.md#development-keys-and-srs",
            Self::Unreachable => "docs/errors.md#a-service-cannot-be-reached",
            Self::Up => "docs/cli.md#a-market-of-your-own",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const ALL: [Page; 24] = [
        Page::Agents,
        Page::Batches,
        Page::Bucket,
        Page::Buying,
        Page::Ceremonies,
        Page::Command,
        Page::Compiler,
        Page::Demo,
        Page::Doctor,
        Page::Drawing,
        Page::Files,
        Page::Https,
        Page::Inputs,
        Page::InvalidProof,
        Page::Market,
        Page::Operators,
        Page::Predictions,
        Page::Problems,
        Page::Proving,
        Page::Ranges,
        Page::Serving,
        Page::Srs,
        Page::Unreachable,
        Page::Up,
    ];

    /// A heading as GitHub and others make an anchor of it.
    fn anchor(heading: &str) -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    }

    #[test]
    fn pages_and_their_headings_are_there() {
        for (place, page) in ALL.into_iter().enumerate() {
            assert_eq!(page as usize, place, "{page:?}: all are listed, in order");
            let (file, heading) = page.address().split_once('#').unwrap_or((page.address(), ""));
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap();
            assert!(
                heading.is_empty() || text.lines().any(|line| line.starts_with('#') && anchor(line) == heading),
                "{page:?}"
            );
        }
    }
}
