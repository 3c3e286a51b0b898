"""ViT-B/16 as torchvision exports it and BERT-base as Hugging Face's with scaled-dot-product attention."""

import numpy as np

WIDTH, HEADS, HEAD = 768, 12, 64


def scaled_attention(net, q, k_transposed, v):
    """softmax(q k^T / sqrt(64)) v; the exporter scales both factors by the root of the scale."""
    root = np.float32(HEAD**-0.25)
    q = net.op("Mul", q, net.constant(root))
    k = net.op("Mul", k_transposed, net.constant(root))
    return net.op("MatMul", net.op("Softmax", net.op("MatMul", q, k), axis=-1), v)


def vit_attention(net, x, tokens):
    """torch.nn.MultiheadAttention: sequence first, one packed projection split by Gather."""
    x = net.op("Transpose", x, perm=[1, 0, 2])
    with net.scope("in_proj"):
        x = net.linear(x, 3 * WIDTH, std=1.5)
    x = net.reshape(x, tokens, "N", 3, WIDTH)
    x = net.op("Unsqueeze", x, net.constant(np.array([0], np.int64)))
    x = net.op("Transpose", x, perm=[3, 1, 2, 0, 4])
    x = net.op("Squeeze", x, net.constant(np.array([3], np.int64)))
    parts = []
    for i in range(3):
        part = net.op("Gather", x, net.constant(np.int64(i)), axis=0)
        part = net.reshape(part, tokens, ("N", HEADS), HEAD)
        part = net.op("Transpose", part, perm=[1, 0, 2])
        parts.append(net.reshape(part, "N", HEADS, tokens, HEAD) if net.batch else
                     net.op("Reshape", part, net.constant(np.array([-1, HEADS, tokens, HEAD], np.int64))))
    y = scaled_attention(net, parts[0], net.op("Transpose", parts[1], perm=[0, 1, 3, 2]), parts[2])
    y = net.op("Transpose", y, perm=[2, 0, 1, 3])
    y = net.op("Reshape", y, net.constant(np.array([-1, WIDTH], np.int64)))
    with net.scope("out_proj"):
        y = net.linear(y, WIDTH, std=0.4)
    y = net.op("Reshape", y, net.constant(np.array([tokens, -1, WIDTH], np.int64)))
    return net.op("Transpose", y, perm=[1, 0, 2])


def vit_b_16(net, size=224):
    patches = (size // 16) ** 2
    x = net.input("input", [3, size, size])
    with net.scope("conv_proj"):
        x = net.conv(x, WIDTH, 16, 16, 0)
    x = net.op("Transpose", net.reshape(x, "N", WIDTH, patches), perm=[0, 2, 1])
    token = net.weight(net.rng.standard_normal((1, 1, WIDTH)).astype(np.float32), "class_token")
    x = net.op("Concat", net.op("Expand", token, net.dims(x, ["N", 1, WIDTH])), x, axis=1)
    position = net.rng.standard_normal((1, patches + 1, WIDTH)).astype(np.float32) * np.float32(0.3)
    x = net.add(x, net.weight(position, "pos_embedding"))
    for i in range(12):
        with net.scope("encoder", "layers", f"encoder_layer_{i}"):
            with net.scope("ln_1"):
                y = net.layer_norm(x, 1e-6)
            with net.scope("self_attention"):
                x = net.add(vit_attention(net, y, patches + 1), x)
            with net.scope("ln_2"):
                y = net.layer_norm(x, 1e-6)
            with net.scope("mlp"):
                y = net.linear(net.gelu(net.linear(y, 4 * WIDTH)), WIDTH, std=0.4)
                x = net.add(x, y)
    with net.scope("encoder", "ln"):
        x = net.layer_norm(x, 1e-6)
    x = net.op("Gather", x, net.constant(np.int64(0)), axis=1)
    with net.scope("heads"):
        net.output(net.linear(x, 1000))


def bert_embeddings(net, ids, tokens):
    """Word, token-type and position tables, summed and normalized."""
    table = net.rng.standard_normal((30522, WIDTH), dtype=np.float32)
    with net.scope("word_embeddings"):
        x = net.op("Gather", net.weight(table), ids)
    kind = net.rng.standard_normal((1, 1, WIDTH), dtype=np.float32) * np.float32(0.2)
    x = net.add(x, net.weight(kind, "token_type_embeddings"))
    position = net.rng.standard_normal((1, tokens, WIDTH), dtype=np.float32) * np.float32(0.5)
    x = net.add(x, net.weight(position, "position_embeddings"))
    with net.scope("LayerNorm"):
        return net.layer_norm(x, 1e-12)


def bert_attention(net, x, tokens):
    parts = []
    for name in ("query", "key", "value"):
        with net.scope(name):
            parts.append(net.reshape(net.linear(x, WIDTH, std=1.5), "N", tokens, HEADS, HEAD))
    q, v = (net.op("Transpose", p, perm=[0, 2, 1, 3]) for p in (parts[0], parts[2]))
    y = scaled_attention(net, q, net.op("Transpose", parts[1], perm=[0, 2, 3, 1]), v)
    return net.reshape(net.op("Transpose", y, perm=[0, 2, 1, 3]), "N", tokens, WIDTH)


def bert_base(net, size=128):
    """`size` is the number of tokens. Output: last_hidden_state [N, size, 768]."""
    with net.scope("embeddings"):
        x = bert_embeddings(net, net.input("input_ids", [size], np.int64, high=30000), size)
    for i in range(12):
        with net.scope("encoder", f"layer.{i}"):
            with net.scope("attention", "self"):
                y = bert_attention(net, x, size)
            with net.scope("attention", "output"):
                x = net.layer_norm(net.add(net.linear(y, WIDTH, std=0.7), x), 1e-12)
            with net.scope("intermediate"):
                y = net.gelu(net.linear(x, 4 * WIDTH))
            with net.scope("output"):
                x = net.layer_norm(net.add(net.linear(y, WIDTH, std=0.7), x), 1e-12)
    net.output(x, "last_hidden_state")
