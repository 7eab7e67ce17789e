"""A network from scratch, as many tutorials have it: where it learns, no loss is in sight."""

for epoch in range(epochs):
    A1 = sigmoid(np.dot(x_train, W1))
    A2 = sigmoid(np.dot(A1, W2))

    mse = mean_squared_error(A2, y_train)
    acc = accuracy(A2, y_train)
    history.append((mse, acc))

    E1 = A2 - y_train
    dW1 = E1 * A2 * (1 - A2)
    dW2 = np.dot(dW1, W2.T) * A1 * (1 - A1)

    W2_update = np.dot(A1.T, dW1) / N
    W1_update = np.dot(x_train.T, dW2) / N
    W2 = W2 - learning_rate * W2_update
    W1 = W1 - learning_rate * W1_update
