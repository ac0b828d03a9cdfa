//! Collectors whose samples stand or fall together.

use exporter_core::collector::{Collector, Error, Scrape};
use exporter_core::exposition::Arena;

/// Makes a collector that takes back what it put when it ends in an error: one attribute that cannot
/// be understood hides the whole source, as users of the original know it, and no family is left
/// with some of its devices only.
pub fn whole(collector: impl Collector + 'static) -> Box<dyn Collector> {
    Box::new(Whole(collector))
}

struct Whole<C>(C);

impl<C: Collector> Collector for Whole<C> {
    fn collect(&mut self, out: &mut Arena, scrape: &Scrape) -> Result<(), Error> {
        let result = self.0.collect(out, scrape);
        if result.is_err() {
            // The arena of a run holds nobody else's samples.
            out.clear();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run;
    use exporter_core::exposition::Family;

    static VALUE: Family = Family::gauge("value", &[], "A value.");

    #[test]
    fn an_error_takes_back_what_was_put() {
        let mut fails = false;
        let mut collector = whole(move |out: &mut Arena, _: &Scrape| {
            out.put(&VALUE, &[], 1.0);
            fails = !fails;
            if fails { Err("no".into()) } else { Ok(()) }
        });
        let failed = run(&mut *collector);
        assert_eq!(failed.text, "");
        failed.expect_failure("no");
        run(&mut *collector).expect("value 1\n");
    }
}
