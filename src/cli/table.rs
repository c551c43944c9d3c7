//! Columns of text.

/// Rows of cells under a heading; numbers go to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(heading: &[&str]) -> Table {
        Table {
            rows: vec![heading.iter().map(|cell| cell.to_string()).collect()],
        }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// One line per row, each indented by `indent` spaces. The last column is neither padded nor aligned.
    pub fn text(&self, indent: usize) -> String {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            for (column, cell) in row.iter().enumerate() {
                let gap = " ".repeat(widths[column] - cell.chars().count());
                let last = column + 1 == columns;
                match (last, self.is_number(column)) {
                    (true, false) => line += cell,
                    (_, true) => line += &format!("{gap}{cell}  "),
                    (false, false) => line += &format!("{cell}{gap}  "),
                }
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    fn is_number(&self, column: usize) -> bool {
        let mut cells = self.rows[1..].iter().map(|row| &row[column]);
        let number = |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit());
        self.rows.len() > 1 && cells.all(|cell| number(cell) && !cell.contains('x'))
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn words_go_left_and_numbers_right() {
        let mut table = Table::new(&["node", "work", "why"]);
        table.row(vec!["a".into(), "5 M".into(), "short".into()]);
        table.row(vec!["long".into(), "120 M".into(), String::new()]);
        let want = "  node   work  why\n  a       5 M  short\n  long  120 M\n";
        assert_eq!(table.text(2), want);
    }
}
