"""The Trainer of Hugging Face with a loss of amiss: its own numbers, under gradient accumulation too."""

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

import amiss
import amiss.torch

TOKENS = amiss.CrossEntropy(ignore_index=-100)
LENGTHS = (9, 3, 2, 7, 4, 8, 5, 6)
"""How many labels the rows have: uneven, so that a mean of means is another number."""


SMALL = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 10,
}
ENDS = {"bos_token_id": 0, "eos_token_id": 0}


def llama():
    return LlamaForCausalLM(LlamaConfig(**SMALL, **ENDS))


def gpt2():
    shape = {"vocab_size": 20, "n_positions": 10, "n_embd": 8, "n_layer": 1, "n_head": 2}
    return GPT2LMHeadModel(GPT2Config(**shape, **ENDS, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))


def bert(kind, labels):
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return kind(BertConfig(**SMALL, **still, num_labels=labels))


def rows(label):
    """Return one row per length, with labels that a function gives from tokens and length."""
    generator = torch.Generator().manual_seed(0)
    tokens = [torch.randint(1, 20, (10,), generator=generator) for _ in LENGTHS]
    pairs = zip(tokens, LENGTHS, strict=True)
    return [{"input_ids": ids, "labels": label(ids.clone(), length)} for ids, length in pairs]


def cut(ids, length):
    """Return tokens as labels of themselves, up to a length."""
    ids[length:] = -100
    return ids


def trained(model, data, folder, loss=None, accumulated=4, batch=1, steps=3):
    """Return loss and gradient norm of each step, the weights after them, and the loss on the data."""
    found = []

    class Record(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **_):
            if "grad_norm" in logs:
                found.append((logs["loss"], logs["grad_norm"]))

    torch.manual_seed(1)
    model = model()
    quiet = {"report_to": [], "disable_tqdm": True, "save_strategy": "no", "dataloader_pin_memory": False}
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=8,
        gradient_accumulation_steps=accumulated,
        max_steps=steps,
        learning_rate=1e-3,
        optim="sgd",
        logging_steps=1,
        use_cpu=True,
        **quiet,
    )
    sets = {"train_dataset": data, "eval_dataset": data}
    trainer = Trainer(model, arguments, **sets, compute_loss_func=loss, callbacks=[Record()])
    trainer.train()
    weights = torch.cat([weight.detach().flatten() for weight in model.parameters()])
    return torch.tensor(found), weights, trainer.evaluate()["eval_loss"]


def at_once(model, data, loss):
    """Return loss and gradient norm of the whole data in one batch."""
    torch.manual_seed(1)
    model = model()
    ids, labels = (torch.stack([row[key] for row in data]) for key in ("input_ids", "labels"))
    value = loss(model(input_ids=ids), labels)
    value.backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return torch.stack([value.detach(), torch.nn.utils.get_total_norm(gradients)])


def tokens():
    return bert(BertForTokenClassification, 20)


def sequences():
    return bert(BertForSequenceClassification, 3)


SEQUENCES = rows(lambda ids, length: torch.tensor(length % 3))
CASES = {
    "llama, accumulated": (llama, rows(cut), TOKENS, True, 4),
    "gpt2, accumulated": (gpt2, rows(cut), TOKENS, True, 4),
    "sequences": (sequences, SEQUENCES, amiss.CrossEntropy(), False, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_the_first_steps_are_those_of_the_trainers_own_loss(case, tmp_path):
    model, data, loss, shift, accumulated = CASES[case]
    shape = {"accumulated": accumulated, "batch": 4 // accumulated}
    theirs = trained(model, data, tmp_path, **shape)
    ours = trained(model, data, tmp_path, amiss.torch.compute_loss(loss, shift=shift), **shape)
    assert ours[0].shape == (3, 2)
    for found, expected in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert ours[2] == pytest.approx(theirs[2], rel=1e-6)


@pytest.mark.parametrize(
    ("model", "data", "shift"),
    [(llama, rows(cut), True), (tokens, rows(cut), False)],
    ids=["llama", "tokens"],
)
def test_accumulation_gives_the_gradient_of_the_whole_batch(model, data, shift, tmp_path):
    loss, data = amiss.torch.compute_loss(TOKENS, shift=shift), data[:4]
    step = trained(model, data, tmp_path, loss, steps=1)[0][0]
    torch.testing.assert_close(step, at_once(model, data, loss), rtol=1e-6, atol=0.0)


def test_the_trainers_own_loss_of_bert_is_too_large_by_the_number_of_micro_batches(tmp_path):
    # The model takes keywords, so the Trainer does not divide; but its loss does not take their number.
    loss, data = amiss.torch.compute_loss(amiss.CrossEntropy()), SEQUENCES[:4]
    theirs = trained(sequences, data, tmp_path, steps=1)[0][0]
    torch.testing.assert_close(theirs, 4 * at_once(sequences, data, loss), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize(("model", "first_labels"), [(llama, 0), (gpt2, 4)], ids=["llama", "gpt2"])
def test_the_trainer_counts_the_first_label_of_each_row_for_gpt2_only(model, first_labels, tmp_path):
    counted, loss = [], amiss.torch.compute_loss(TOKENS, shift=True)

    def counting(outputs, labels, num_items_in_batch=None):
        counted.append(num_items_in_batch.item())
        return loss(outputs, labels, num_items_in_batch)

    data = rows(cut)[:4]
    trained(model, data, tmp_path, counting, steps=1)
    assert set(counted[:4]) == {sum(LENGTHS[:4]) - 4 + first_labels}


# --- the function by itself --------------------------------------------------------------------------------
LOGITS = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [0.0, 0.5]]])
LABELS = torch.tensor([[0, 1, -100]])


def test_labels_are_shifted_by_one_place():
    found = amiss.torch.compute_loss(TOKENS, shift=True)({"logits": LOGITS}, LABELS)
    assert found == amiss.CrossEntropy()(LOGITS[0, :1], torch.tensor([1]))


@pytest.mark.parametrize("outputs", [{"logits": LOGITS}, (LOGITS, None)], ids=["dict", "tuple"])
def test_outputs_may_be_a_tuple(outputs):
    found = amiss.torch.compute_loss("CrossEntropyLoss")(outputs, LABELS)
    assert found == amiss.CrossEntropy()(LOGITS[0, :2], torch.tensor([0, 1]))


def test_a_column_of_regression_meets_a_vector_of_labels():
    column, labels = torch.tensor([[3.0], [1.0]]), torch.tensor([0.0, 0.0])
    assert amiss.torch.compute_loss("mse")({"logits": column}, labels) == 5.0
    assert (
        amiss.torch.compute_loss("mse")({"logits": column}, labels, num_items_in_batch=torch.tensor(4)) == 2.5
    )


def test_a_loss_that_ignores_nothing_refuses_to_shift():
    with pytest.raises(amiss.ParameterError, match="must have an ignore_index"):
        amiss.torch.compute_loss(amiss.CrossEntropy(), shift=True)


def test_missing_labels_are_said():
    with pytest.raises(amiss.ParameterError, match="labels must come with the batch"):
        amiss.torch.compute_loss(TOKENS)({"logits": LOGITS}, None)


def test_a_step_without_any_label_has_a_gradient_of_0():
    logits, none = LOGITS.clone().requires_grad_(), torch.full((1, 3), -100)
    value = amiss.torch.compute_loss(TOKENS)({"logits": logits}, none, num_items_in_batch=torch.tensor(0))
    value.backward()
    assert value.isnan()
    assert torch.all(logits.grad == 0.0)
