//! What a network is to the proof system: columns, equations between them, and lookups of them in tables. Nothing else
//! is proven.
//!
//! [`System::new`] is the one walk over the layers' rules ([`crate::relation`]); layout, witness, prover, verifier and
//! cost model only see its result.

use crate::clamps::{Rails, rails};
use crate::model::{Architecture, Divisor, Index, Layer, Operand, Run, Source, WeightBlock};
use crate::registration;
use crate::relation;

/// Index of a column in [`System::columns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(pub u32);

/// Whose a column is, in the order of the regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The seller: weights and biases. The same for all inferences of a batch.
    Seller,
    /// Anybody: columns of tables without a closed form. The same for all inferences of a batch.
    Public,
    /// The buyer: the input.
    Buyer,
    /// The prover: what an execution computes.
    Prover,
    /// The prover: how often each row of a table is looked up, over all inferences of a batch.
    Multiplicity,
}

/// A column of small integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Log of the number of cells (of one inference).
    pub log_size: u8,
    /// Whose it is.
    pub owner: Owner,
}

impl Column {
    /// Whether each inference of a batch has cells of its own.
    pub fn is_batched(&self) -> bool {
        matches!(self.owner, Owner::Buyer | Owner::Prover)
    }
}

/// A column, read through an equation's axes; see [`Operand`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What is read.
    pub column: ColumnId,
    /// Its cell numbers' bits, lowest first.
    pub runs: Vec<Run>,
}

/// A summand of an equation; see [`crate::model::Term`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summand {
    /// The factor.
    pub coefficient: i128,
    /// Logs of the lengths of the axes: those that the equation's cells are cut into, lowest bits first, then those
    /// that are summed over.
    pub axes: Vec<u8>,
    /// How many axes, the last ones, are summed over.
    pub summed: u8,
    /// What is read.
    pub left: View,
    /// What it is multiplied with.
    pub right: Option<View>,
}

/// `Σ summands + constant = 0` in each of `2^log_size` cells (of each inference).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equation {
    /// Log of the number of cells.
    pub log_size: u8,
    /// The summands.
    pub summands: Vec<Summand>,
    /// The constant.
    pub constant: i128,
}

/// A table that is looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableId {
    /// [`Architecture::tables`] by index: rows `(q, f(q), v)`.
    Activation(u32),
    /// The numbers of so many bits: an index into [`System::ranges`]. Rows `(n, 0, 0)`.
    Range(u32),
    /// [`System::row_tables`] by index: rows `(k, Σ_d eq(r, d)·E[k, d], 0)`.
    Rows(u32),
}

/// A table of the rows of a block of weights, each combined by `eq(r, ·)`; see [`crate::relation::rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowTable {
    /// The block, `E`.
    pub matrix: ColumnId,
    /// Bits of a place in a row: the lowest of a cell's number.
    pub bits: u8,
    /// Bits of a signed index. Row `k` of the table has the index `k`, or `k - 2^bits` in its upper half.
    pub index_bits: u8,
}

/// In each of `2^log_size` cells (of each inference), `(keys[0] + offset, keys[1], keys[2])` is a row of the table; a
/// key that is missing is 0. Where there is a row, the second key is that row of cells, combined by `eq(r, ·)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Log of the number of cells.
    pub log_size: u8,
    /// The table.
    pub table: TableId,
    /// Columns of that many cells.
    pub keys: [Option<ColumnId>; 3],
    /// Added to the first key.
    pub offset: i64,
    /// A column with `2^bits` cells for each cell of the lookup, the lowest bits of their numbers, and these bits.
    pub row: Option<(ColumnId, u8)>,
}

/// Columns of one layer, by what can be read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerColumns {
    /// `q`.
    pub pre: ColumnId,
    /// `f(q)`, or `q`.
    pub post: ColumnId,
    /// Maxima.
    pub max: Option<ColumnId>,
    /// Marks.
    pub mark: Option<ColumnId>,
    /// The first column of the layer and the one after its last.
    pub span: (u32, u32),
}

/// A network, elaborated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// All columns: weights, biases, tables, input, layers one after the other, multiplicities of tables, of ranges, of
    /// tables of rows.
    pub columns: Vec<Column>,
    /// All equations, in the order of layers.
    pub equations: Vec<Equation>,
    /// All lookups: of the input, then in the order of layers.
    pub lookups: Vec<Lookup>,
    /// Bits of the ranges that are looked up in, ascending.
    pub ranges: Vec<u8>,
    /// The input.
    pub input: ColumnId,
    /// By layer.
    pub layers: Vec<LayerColumns>,
    /// By weight block: the first columns.
    pub weights: Vec<ColumnId>,
    /// The same: which of their cells there are.
    pub matrices: Vec<WeightBlock>,
    /// By bias block.
    pub biases: Vec<ColumnId>,
    /// By table: the committed column of `f`, if there is one.
    pub functions: Vec<Option<ColumnId>>,
    /// By table.
    pub table_counts: Vec<ColumnId>,
    /// By range.
    pub range_counts: Vec<ColumnId>,
    /// The tables of rows.
    pub row_tables: Vec<RowTable>,
    /// By table of rows.
    pub row_counts: Vec<ColumnId>,
    /// By table: the rails at which a clamp is counted.
    pub rails: Vec<Rails>,
}

impl LayerColumns {
    /// Of a layer with one column to be read.
    pub(crate) fn plain(column: ColumnId) -> Self {
        Self { pre: column, post: column, max: None, mark: None, span: (0, 0) }
    }
}

impl System {
    /// Of a valid architecture.
    pub fn new(architecture: &Architecture) -> Self {
        let mut builder = Builder::new(architecture);
        // A layer of a loop reads columns of later layers, so all columns are numbered before the first equation is
        // written.
        builder.pass = Pass::Columns;
        builder.walk(architecture);
        builder.rewind();
        builder.walk(architecture);
        builder.finish(architecture)
    }

    /// Of the proof of weights of a model with this architecture: [`registration`]. `architecture` is the one that it
    /// gives.
    pub(crate) fn of_weights(architecture: &Architecture) -> Self {
        let mut builder = Builder::new(architecture);
        let first = builder.next;
        registration::elaborate(architecture, &mut builder);
        (builder.pass, builder.next) = (Pass::Equations, first);
        registration::elaborate(architecture, &mut builder);
        builder.finish(architecture)
    }

    /// A column. Indices of the system's own lookups and views are always in range.
    pub fn column(&self, id: ColumnId) -> Column {
        self.columns[id.0 as usize]
    }

    /// The block of a column of weights of which not all cells are stored.
    pub fn cut(&self, column: ColumnId) -> Option<&WeightBlock> {
        self.matrices.get(column.0 as usize).filter(|block| !block.cuts.is_empty())
    }

    /// Number of cells of a column that are committed (of one inference).
    pub fn stored(&self, column: ColumnId) -> usize {
        self.cut(column).map_or_else(|| 1 << self.column(column).log_size, WeightBlock::stored)
    }

    /// The column that a source of a valid architecture names.
    pub fn source(&self, source: Source) -> ColumnId {
        let layer = |index: u32| self.layers[index as usize];
        match source {
            Source::Input => self.input,
            Source::Pre(l) => layer(l).pre,
            Source::Post(l) => layer(l).post,
            Source::Max(l) => layer(l).max.unwrap_or(layer(l).pre),
            Source::Mark(l) => layer(l).mark.unwrap_or(layer(l).pre),
            Source::Weight(w) => self.weights[w as usize],
            Source::Bias(b) => self.biases[b as usize],
        }
    }

    /// Whether each inference of a batch has lookups of its own: the columns of its keys are all of one kind.
    pub fn is_batched(&self, lookup: &Lookup) -> bool {
        lookup
            .keys
            .iter()
            .flatten()
            .chain(lookup.row.iter().map(|(column, _)| column))
            .all(|id| self.column(*id).is_batched())
    }

    /// The number of a table, from 0: activation tables, then ranges, then tables of rows.
    pub fn table_number(&self, table: TableId) -> usize {
        match table {
            TableId::Activation(index) => index as usize,
            TableId::Range(index) => self.table_counts.len() + index as usize,
            TableId::Rows(index) => self.table_counts.len() + self.ranges.len() + index as usize,
        }
    }

    /// The columns of multiplicities, by table number.
    pub fn counts(&self) -> impl Iterator<Item = ColumnId> + '_ {
        self.table_counts.iter().chain(&self.range_counts).chain(&self.row_counts).copied()
    }

    /// Number of coordinates of `r`, by which rows are combined: those of the longest row.
    pub fn row_variables(&self) -> usize {
        self.row_tables.iter().map(|table| table.bits.into()).max().unwrap_or(0)
    }

    /// The saturation limbs of a layer: the last keys of its lookups.
    pub fn limbs(&self, layer: usize) -> Vec<ColumnId> {
        let Some(columns) = self.layers.get(layer).filter(|columns| columns.mark.is_none()) else { return Vec::new() };
        let of =
            |lookup: &&Lookup| lookup.keys[0] == Some(columns.pre) && matches!(lookup.table, TableId::Activation(_));
        self.lookups.iter().filter(of).filter_map(|lookup| lookup.keys[2]).collect()
    }

    /// The columns of an execution, the input first: what a trace holds.
    pub fn executed(&self) -> impl Iterator<Item = ColumnId> + '_ {
        let owned = |id: &ColumnId| matches!(self.column(*id).owner, Owner::Buyer | Owner::Prover);
        (0..self.columns.len() as u32).map(ColumnId).filter(owned)
    }
}

/// Which walk over the layers it is.
#[derive(Clone, Copy, PartialEq)]
enum Pass {
    /// Columns are made.
    Columns,
    /// Equations and lookups are made, about the columns of the first walk.
    Equations,
}

/// Adds the layers' parts to a system.
pub(crate) struct Builder {
    system: System,
    pass: Pass,
    /// In the second walk: the column that is made next.
    next: u32,
}

/// A column, read over a layer's cells.
#[derive(Clone)]
pub(crate) struct Factor {
    axes: Vec<u8>,
    view: View,
}

impl Builder {
    fn new(architecture: &Architecture) -> Self {
        let mut system = System {
            columns: Vec::new(),
            equations: Vec::new(),
            lookups: Vec::new(),
            ranges: Vec::new(),
            input: ColumnId(0),
            layers: Vec::new(),
            weights: Vec::new(),
            matrices: architecture.matrices.clone(),
            biases: Vec::new(),
            functions: Vec::new(),
            table_counts: Vec::new(),
            range_counts: Vec::new(),
            row_tables: Vec::new(),
            row_counts: Vec::new(),
            rails: rails(architecture),
        };
        let mut column = |log_size: u8, owner: Owner| {
            system.columns.push(Column { log_size, owner });
            ColumnId(system.columns.len() as u32 - 1)
        };
        let weights = architecture.matrices.iter().map(|block| column(block.log_size, Owner::Seller)).collect();
        let biases = architecture.biases.iter().map(|block| column(block.log_size, Owner::Seller)).collect();
        let functions = architecture
            .tables
            .iter()
            .map(|t| t.is_committed().then(|| column(t.log_rows() as u8, Owner::Public)))
            .collect();
        let input = column(architecture.input.log_size, Owner::Buyer);
        (system.weights, system.biases, system.functions, system.input) = (weights, biases, functions, input);
        let next = system.columns.len() as u32;
        let mut builder = Self { system, pass: Pass::Columns, next };
        builder.range_lookup(
            architecture.input.log_size,
            architecture.input.bits,
            input,
            1 << (architecture.input.bits - 1),
        );
        builder
    }

    fn walk(&mut self, architecture: &Architecture) {
        for (index, layer) in architecture.layers.iter().enumerate() {
            let first = self.next;
            let columns = relation::elaborate(layer, architecture, self);
            if self.pass == Pass::Columns {
                self.system.layers.push(LayerColumns { span: (first, self.next), ..columns });
            } else {
                debug_assert_eq!(self.system.layers[index].pre, columns.pre, "both walks number columns alike");
            }
        }
    }

    /// Begins the second walk.
    fn rewind(&mut self) {
        self.pass = Pass::Equations;
        self.next = self.system.layers.first().map_or(self.next, |columns| columns.span.0);
    }

    /// A new column.
    pub fn column(&mut self, log_size: u8, owner: Owner) -> ColumnId {
        if self.pass == Pass::Columns {
            self.system.columns.push(Column { log_size, owner });
        }
        self.next += 1;
        ColumnId(self.next - 1)
    }

    /// A new column of numbers in `[0, 2^bits)`.
    pub fn ranged(&mut self, log_size: u8, owner: Owner, bits: u8) -> ColumnId {
        let column = self.column(log_size, owner);
        if self.pass == Pass::Equations {
            self.range_lookup(log_size, bits, column, 0);
        }
        column
    }

    /// Looks up every cell of a column of signed numbers of so many bits.
    pub fn signed(&mut self, source: Source, bits: u8) {
        let column = self.column_of(source);
        if self.pass == Pass::Equations {
            self.range_lookup(self.system.column(column).log_size, bits, column, 1 << (bits - 1));
        }
    }

    /// The column that a source names.
    pub fn column_of(&self, source: Source) -> ColumnId {
        self.system.source(source)
    }

    /// The table is named by its bits until [`Self::finish`].
    fn range_lookup(&mut self, log_size: u8, bits: u8, column: ColumnId, offset: i64) {
        if let Err(at) = self.system.ranges.binary_search(&bits) {
            self.system.ranges.insert(at, bits);
        }
        self.system.lookups.push(Lookup {
            log_size,
            table: TableId::Range(bits.into()),
            keys: [Some(column), None, None],
            offset,
            row: None,
        });
    }

    /// A lookup in every cell.
    pub fn lookup(&mut self, log_size: u8, table: TableId, keys: [Option<ColumnId>; 3], offset: i64) {
        if self.pass == Pass::Equations {
            self.system.lookups.push(Lookup { log_size, table, keys, offset, row: None });
        }
    }

    /// A lookup of a row of cells by an index, for each of `2^log_size` indices.
    pub fn look_up_rows(
        &mut self,
        log_size: u8,
        index: Source,
        row: (ColumnId, u8),
        table: impl FnOnce(&Self) -> RowTable,
    ) {
        if self.pass == Pass::Columns {
            return;
        }
        let table = table(self);
        let tables = &mut self.system.row_tables;
        let at = tables.iter().position(|have| *have == table).unwrap_or_else(|| {
            tables.push(table);
            tables.len() - 1
        });
        let keys = [Some(self.system.source(index)), None, None];
        self.system.lookups.push(Lookup { log_size, table: TableId::Rows(at as u32), keys, offset: 0, row: Some(row) });
    }

    /// `factor·z + Σ rest = 0`.
    pub fn equate(&mut self, layer: &Layer, factor: i128, rest: Vec<(i128, ColumnId)>) {
        self.equate_with(layer, factor, rest, 0);
    }

    /// `factor·z + Σ rest + constant = 0`.
    pub fn equate_with(&mut self, layer: &Layer, factor: i128, rest: Vec<(i128, ColumnId)>, constant: i128) {
        self.equate_products(layer, factor, Vec::new(), rest, constant);
    }

    /// `factor·z + Σ summands + Σ rest + constant = 0`.
    pub fn equate_products(
        &mut self,
        layer: &Layer,
        factor: i128,
        mut summands: Vec<Summand>,
        rest: Vec<(i128, ColumnId)>,
        constant: i128,
    ) {
        if self.pass == Pass::Columns {
            return;
        }
        let view = |operand: &Operand| View { column: self.system.source(operand.source), runs: operand.runs.clone() };
        summands.extend(relation::terms(layer).iter().map(|term| Summand {
            coefficient: factor * i128::from(term.coefficient),
            axes: term.axes.clone(),
            summed: term.summed,
            left: view(&term.left),
            right: term.right.as_ref().map(view),
        }));
        self.equation(layer.log_size, summands, rest, constant + factor * i128::from(layer.constant));
    }

    /// `Σ summands + Σ rest + constant = 0`; `rest` are columns of the equation's own size.
    pub fn equation(&mut self, log_size: u8, mut summands: Vec<Summand>, rest: Vec<(i128, ColumnId)>, constant: i128) {
        if self.pass == Pass::Columns {
            return;
        }
        summands.extend(rest.into_iter().map(|(coefficient, column)| whole(coefficient, column, log_size)));
        self.system.equations.push(Equation { log_size, summands, constant });
    }

    /// A divisor over its layer's cells.
    pub fn factor(&self, divisor: &Divisor) -> Factor {
        // in the first walk a layer of a loop may not have its columns yet, and nothing is written down
        let column = if self.pass == Pass::Columns { ColumnId(0) } else { self.system.source(divisor.operand.source) };
        Factor { axes: divisor.axes.clone(), view: View { column, runs: divisor.operand.runs.clone() } }
    }

    /// `coefficient · factor`.
    pub fn linear(&self, coefficient: i128, factor: &Factor) -> Summand {
        Summand { coefficient, axes: factor.axes.clone(), summed: 0, left: factor.view.clone(), right: None }
    }

    /// `coefficient · column · factor`, the column having the equation's own size.
    pub fn product(&self, coefficient: i128, column: ColumnId, factor: &Factor) -> Summand {
        let runs = factor
            .axes
            .iter()
            .zip(0..)
            .map(|(log_len, axis)| Run { log_len: *log_len, index: Index::Axis(axis) })
            .collect();
        Summand { right: Some(factor.view.clone()), left: View { column, runs }, ..self.linear(coefficient, factor) }
    }

    /// `coefficient · column²`.
    pub fn square(&self, coefficient: i128, column: ColumnId, log_size: u8) -> Summand {
        let summand = whole(coefficient, column, log_size);
        Summand { right: Some(summand.left.clone()), ..summand }
    }

    /// Adds the multiplicities, and numbers the ranges.
    fn finish(mut self, architecture: &Architecture) -> System {
        let system = &mut self.system;
        let logs = architecture.tables.iter().map(|t| t.log_rows() as u8).chain(system.ranges.iter().copied());
        let logs = logs.chain(system.row_tables.iter().map(|table| table.index_bits));
        let first = system.columns.len() as u32;
        system.columns.extend(logs.map(|log_size| Column { log_size, owner: Owner::Multiplicity }));
        let tables = first + architecture.tables.len() as u32;
        system.table_counts = (first..tables).map(ColumnId).collect();
        let ranges = tables + system.ranges.len() as u32;
        system.range_counts = (tables..ranges).map(ColumnId).collect();
        system.row_counts = (ranges..system.columns.len() as u32).map(ColumnId).collect();
        for lookup in &mut system.lookups {
            if let TableId::Range(bits) = &mut lookup.table {
                *bits = system.ranges.iter().position(|have| u32::from(*have) == *bits).unwrap_or(0) as u32;
            }
        }
        self.system
    }
}

/// A column as it stands.
fn whole(coefficient: i128, column: ColumnId, log_size: u8) -> Summand {
    let left = View { column, runs: vec![Run { log_len: log_size, index: Index::Axis(0) }] };
    Summand { coefficient, axes: vec![log_size], summed: 0, left, right: None }
}
