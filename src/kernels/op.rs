//! How the list of kernels becomes [`super::Op`].

/// Declares the modules of the kernels and the enum of all of them. It is a macro by example because nothing else lets one line
/// stand for a kernel: a module, a variant, a conversion and the arms of two matches, which dispatch without a table and keep the
/// CPU halves generic. rustfmt finds no files through a macro; `.ci/run` names them to it.
macro_rules! kernels {
    ($($module:ident { $($name:ident: $doc:literal),+ $(,)? })+) => {
        $(pub mod $module;)+

        /// A node's operation, with every choice that is fixed before the shapes are known.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op {
            /// Reads a state (a named, persistent buffer); no launch.
            Read(usize),
            $($(#[doc = $doc] $name($module::$name),)+)+
        }

        impl Op {
            /// The variant's name.
            pub fn name(&self) -> &'static str {
                match self {
                    Op::Read(_) => "Read",
                    $($(Op::$name(_) => stringify!($name),)+)+
                }
            }
            /// The kernel's static side; none for [`Op::Read`].
            pub fn kernel(&self) -> Option<&dyn Kernel> {
                match self {
                    Op::Read(_) => None,
                    $($(Op::$name(k) => Some(k),)+)+
                }
            }
            /// Runs the kernel's CPU half.
            pub fn run_cpu<T: Real>(&self, args: Args<T>) {
                match self {
                    Op::Read(_) => {}
                    $($(Op::$name(k) => k.cpu(args),)+)+
                }
            }
        }

        $($(impl From<$module::$name> for Op {
            fn from(kernel: $module::$name) -> Self {
                Op::$name(kernel)
            }
        })+)+
    };
}
