"""A small language model of letters with the Trainer of Hugging Face, and rows of uneven length.

The text is the description of a data set that comes with scikit-learn. The Trainer counts the letters of the
four micro-batches of a step, and the mean over them is exact.
"""

import torch
from sklearn.datasets import load_breast_cancer
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments, set_seed

import amiss
import amiss.torch

set_seed(0)
text = torch.tensor(list(load_breast_cancer().DESCR.encode("ascii", "ignore")))
rows = []
for start in range(0, len(text) - 64, 32):
    letters = text[start : start + 64]
    labels = letters.clone()
    labels[8 + start % 57 :] = -100  # only the first letters are to be predicted: 8 to 64 of them
    rows.append({"input_ids": letters, "labels": labels})

shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
model = LlamaForCausalLM(LlamaConfig(vocab_size=128, **shape, bos_token_id=1, eos_token_id=2))
quiet = {"report_to": [], "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True}
batches = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4, "max_steps": 60}
arguments = TrainingArguments(
    "trained", learning_rate=1e-2, use_cpu=True, dataloader_pin_memory=False, **batches, **quiet
)
loss = amiss.torch.compute_loss(amiss.CrossEntropy(ignore_index=-100), shift=True)
trainer = Trainer(model, arguments, train_dataset=rows, eval_dataset=rows, compute_loss_func=loss)
before = trainer.evaluate()["eval_loss"]
trainer.train()
print(f"nats per letter: {before:.2f} before, {trainer.evaluate()['eval_loss']:.2f} after")
