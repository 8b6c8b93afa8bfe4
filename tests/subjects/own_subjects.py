"""A Trainer of one's own and its subject, as another package would ship them."""

from transformers import Seq2SeqTrainer

from conformance.subjects import Difference, Subject


class Own(Seq2SeqTrainer):
    """What an entry point declares."""


SUBJECT = Subject(
    trainer="own_subjects:Own",
    arguments="transformers:Seq2SeqTrainingArguments",
    differences=(Difference("it says so", ("signature.train-parameters",)),),
)
NOT_A_SUBJECT = 1
