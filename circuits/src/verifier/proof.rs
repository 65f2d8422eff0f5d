//! The field elements of an inner proof, generic over what they are computed with.

use crate::Fr;
use crate::scalar::VerifyError;
use crate::shape::Shape;
use ark_ff::AdditiveGroup;
use zeroize::Zeroize;

/// One level of the fraction tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelProof<S> {
    /// One message per round: `g(0), g(-1), g(2)` and the leading coefficient (arity 4), `g(0)` and the leading
    /// coefficient (arity 2).
    pub rounds: Vec<Vec<S>>,
    /// Numerators, then denominators, of the children.
    pub children: Vec<S>,
}

/// The messages of an inner proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerProof<S> {
    /// 254 random bits that keep the transcript from being replayed.
    pub salt: S,
    /// Numerator and denominator of the root.
    pub root: [S; 2],
    /// From the root to the leaves.
    pub levels: Vec<LevelProof<S>>,
    /// `V`, the joined sum of all products.
    pub product_sum: S,
    /// Rounds of the product sumcheck: value at 0, coefficient of the square and, where there are batch axes, of the
    /// cube.
    pub product_rounds: Vec<Vec<S>>,
    /// For each product: its left and its right operand at the final point.
    pub product_evaluations: Vec<[S; 2]>,
    /// `Σ_i δ^i (y_i + 2^15)` over the output cells of all inferences.
    pub output_sum: S,
    /// Rounds of the opening sumcheck.
    pub opening_rounds: Vec<[S; 2]>,
    /// `a`, the folded chunk at `r_lo`.
    pub evaluation: S,
    /// `m` and `s = a + ρm`, if the opening is hiding.
    pub mask: Option<[S; 2]>,
}

/// What remains to be checked outside: that `output_sum` is the output's, and the opening of the folded (and masked)
/// chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduced<S> {
    /// `δ`.
    pub delta: S,
    /// `Σ_i δ^i (y_i + 2^15)`.
    pub output_sum: S,
    /// `r*`, `c + k` coordinates, the chunk's own first.
    pub point: Vec<S>,
    /// The value to open to: `s`, or `a` without a mask.
    pub value: S,
    /// `ρ`, if the opening is hiding.
    pub rho: Option<S>,
    /// The transcript's last squeeze.
    pub digest: S,
}

/// Arity (as a number of variables) of each level of the tree, from the root to the leaves.
pub fn level_arities(log_leaves: u32) -> Vec<usize> {
    let quaternary = std::iter::repeat_n(2, (log_leaves / 2) as usize);
    std::iter::repeat_n(1, (log_leaves % 2) as usize).chain(quaternary).collect()
}

/// Messages per round and children per level for an arity of 1 or 2 variables.
pub fn level_lengths(arity: usize) -> (usize, usize) {
    if arity == 1 { (2, 4) } else { (4, 8) }
}

fn length(part: &'static str, have: usize, need: usize) -> Result<(), VerifyError> {
    if have == need { Ok(()) } else { Err(VerifyError::Length { part, have, need }) }
}

impl<S> InnerProof<S> {
    /// The same proof over other scalars, visited in the order of the transcript.
    pub fn map<T>(&self, mut f: impl FnMut(&S) -> T) -> InnerProof<T> {
        let f = &mut f;
        let pairs = |pairs: &[[S; 2]], f: &mut dyn FnMut(&S) -> T| -> Vec<[T; 2]> {
            pairs.iter().map(|[a, b]| [f(a), f(b)]).collect()
        };
        InnerProof {
            salt: f(&self.salt),
            root: [f(&self.root[0]), f(&self.root[1])],
            levels: self
                .levels
                .iter()
                .map(|level| LevelProof {
                    rounds: level.rounds.iter().map(|r| r.iter().map(&mut *f).collect()).collect(),
                    children: level.children.iter().map(&mut *f).collect(),
                })
                .collect(),
            product_sum: f(&self.product_sum),
            product_rounds: self.product_rounds.iter().map(|r| r.iter().map(&mut *f).collect()).collect(),
            product_evaluations: pairs(&self.product_evaluations, f),
            output_sum: f(&self.output_sum),
            opening_rounds: pairs(&self.opening_rounds, f),
            evaluation: f(&self.evaluation),
            mask: self.mask.as_ref().map(|[m, s]| [f(m), f(s)]),
        }
    }

    /// Checks all lengths against the shape. Errors: [`VerifyError::Length`].
    pub fn check_lengths(&self, shape: &Shape) -> Result<(), VerifyError> {
        let counts = ProofCounts::of(shape);
        length("lookup levels", self.levels.len(), counts.arities.len())?;
        let mut rounds = 0;
        for (level, &arity) in self.levels.iter().zip(&counts.arities) {
            let (message, children) = level_lengths(arity);
            length("lookup rounds", level.rounds.len(), rounds)?;
            for round in &level.rounds {
                length("lookup message", round.len(), message)?;
            }
            length("lookup children", level.children.len(), children)?;
            rounds += arity;
        }
        length("product rounds", self.product_rounds.len(), counts.product_rounds)?;
        for round in &self.product_rounds {
            length("product message", round.len(), counts.product_degree)?;
        }
        length("product evaluations", self.product_evaluations.len(), counts.products)?;
        length("opening rounds", self.opening_rounds.len(), shape.layout.variables())
    }
}

struct ProofCounts {
    arities: Vec<usize>,
    products: usize,
    product_rounds: usize,
    product_degree: usize,
}

impl ProofCounts {
    fn of(shape: &Shape) -> Self {
        let products = super::products(&shape.system, shape.batch);
        Self {
            arities: level_arities(shape.layout.log_leaves),
            products: products.all.len(),
            product_rounds: products.rounds(),
            product_degree: products.degree,
        }
    }
}

/// The messages of a hiding proof that is to be wrapped tell what it hides.
impl Zeroize for InnerProof<Fr> {
    fn zeroize(&mut self) {
        let Self {
            salt,
            root,
            levels,
            product_sum,
            product_rounds,
            product_evaluations,
            output_sum,
            opening_rounds,
            evaluation,
            mask,
        } = self;
        [salt, product_sum, output_sum, evaluation].into_iter().for_each(Zeroize::zeroize);
        root.zeroize();
        for level in levels.iter_mut() {
            level.rounds.zeroize();
            level.children.zeroize();
        }
        levels.clear();
        product_rounds.zeroize();
        product_evaluations.zeroize();
        opening_rounds.zeroize();
        mask.zeroize();
    }
}

impl InnerProof<Fr> {
    /// A proof of the right lengths, all zero: what a circuit is built from, and what decoding fills.
    pub fn zero(shape: &Shape, hiding: bool) -> Self {
        let counts = ProofCounts::of(shape);
        let mut rounds = 0;
        let mut levels = Vec::new();
        for &arity in &counts.arities {
            let (message, children) = level_lengths(arity);
            levels
                .push(LevelProof { rounds: vec![vec![Fr::ZERO; message]; rounds], children: vec![Fr::ZERO; children] });
            rounds += arity;
        }
        Self {
            salt: Fr::ZERO,
            root: [Fr::ZERO; 2],
            levels,
            product_sum: Fr::ZERO,
            product_rounds: vec![vec![Fr::ZERO; counts.product_degree]; counts.product_rounds],
            product_evaluations: vec![[Fr::ZERO; 2]; counts.products],
            output_sum: Fr::ZERO,
            opening_rounds: vec![[Fr::ZERO; 2]; shape.layout.variables()],
            evaluation: Fr::ZERO,
            mask: hiding.then_some([Fr::ZERO; 2]),
        }
    }

    /// All field elements, in the order of the transcript.
    pub fn elements(&self) -> Vec<Fr> {
        let mut all = Vec::new();
        self.map(|x| all.push(*x));
        all
    }

    /// The proof whose elements these are. Errors: [`VerifyError::Length`] if there are more or fewer than the shape
    /// needs.
    pub fn from_elements(shape: &Shape, hiding: bool, elements: &[Fr]) -> Result<Self, VerifyError> {
        let template = Self::zero(shape, hiding);
        length("proof elements", elements.len(), template.elements().len())?;
        let mut next = elements.iter();
        Ok(template.map(|zero| *next.next().unwrap_or(zero)))
    }
}
