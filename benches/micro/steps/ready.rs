//! A step, and how it is made ready.

use std::hint::black_box;

use crate::Fallible;

/// Times that a step is done before it is measured: what is done once, such as the filling of a cache, is done then.
pub const WARM: usize = 4;

/// Does a step once, and says whether it ended as it should.
pub type Run = Box<dyn FnMut() -> bool>;

/// A step.
pub struct Step {
    /// Its name: `policies/cors/allowed`.
    pub name: String,
    /// How many times it is done for one figure.
    pub times: usize,
    make: Box<dyn Fn() -> Fallible<Run>>,
}

impl Step {
    pub(crate) fn new(name: impl Into<String>, make: impl Fn() -> Fallible<Run> + 'static) -> Self {
        Self { name: name.into(), times: 50, make: Box::new(make) }
    }

    /// One that can always be made ready.
    pub(crate) fn sure(name: impl Into<String>, make: impl Fn() -> Run + 'static) -> Self {
        Self::new(name, move || Ok(make()))
    }

    /// The same, done so often for one figure.
    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Makes it ready: builds what it needs, and does it a few times.
    ///
    /// # Errors
    /// When that cannot be built.
    pub fn prepare(&self) -> Fallible<Ready> {
        let mut run = (self.make)().map_err(|why| format!("{}: {why}", self.name))?;
        for _ in 0..WARM {
            run();
        }
        Ok(Ready { run, times: self.times, agreed: true })
    }
}

/// A step that is ready.
pub struct Ready {
    /// Does it once.
    pub run: Run,
    /// How many times it is done for one figure.
    pub times: usize,
    /// Whether it always ended as it should.
    pub agreed: bool,
}

impl Ready {
    /// Does it as often as one figure needs.
    #[must_use]
    pub fn measured(mut self) -> Self {
        for _ in 0..self.times {
            self.agreed &= black_box((self.run)());
        }
        self
    }
}
