"""Handwritten digits with a plain PyTorch loop; the loss is the drop-in of torch.nn.CrossEntropyLoss."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import amiss.torch

torch.manual_seed(0)
x, y = load_digits(return_X_y=True)
split = train_test_split(x.astype("float32") / 16, y, test_size=0.25, random_state=0, stratify=y)
x_train, x_test, y_train, y_test = map(torch.from_numpy, split)

model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
criterion = amiss.torch.CrossEntropyLoss(label_smoothing=0.05)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(15):
    for batch in torch.randperm(len(x_train)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(x_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

with torch.no_grad():
    accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"test accuracy {accuracy:.3f}")
