"""What is judged: the libraries as installed, and a Trainer class with what it declares of itself.

A subclass of `transformers.Trainer` is held to the clauses as it is. Where it is built otherwise
(other arguments, other data), or documents that it behaves otherwise, a `Subject` says so. The
nearest one in the class's method resolution order counts, so that one's own subclass of
`trl.SFTTrainer` needs none. Per class it is looked for in this order:

1. the attribute ``conformance_subject`` of the class itself: a `Subject`, or the text
   ``package.module:NAME`` that leads to one, so that nothing need be imported for it;
2. the entry points of the group ``peft_conformance.subjects``, each leading to a `Subject`:
   ``[project.entry-points."peft_conformance.subjects"]``, ``mine = "my_package.module:SUBJECT"``;
   ``--trainer mine`` then judges that subject's class;
3. the ones in `conformance.subjects.shipped`.

A subject that adds to another's is ``replace(SFT, trainer=…, differences=(*SFT.differences, …))``.
"""

from .finding import SubjectError, at, of, trainer_class
from .preparing import prepare
from .shipped import SEQ2SEQ, SFT, SHIPPED, TRAINER
from .subject import DECLARED, Difference, Subject

__all__ = [
    "DECLARED",
    "SEQ2SEQ",
    "SFT",
    "SHIPPED",
    "TRAINER",
    "Difference",
    "Subject",
    "SubjectError",
    "at",
    "of",
    "prepare",
    "trainer_class",
]
