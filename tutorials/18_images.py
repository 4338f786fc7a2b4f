# rows: THY-27
# %% [markdown]
# # Images: one small filter, everywhere
#
# Push a handwritten 3 one pixel to the right. You see the same 3, yet nearly all of its numbers have changed place. How
# can a net see the same digit?
#
# You will compute a convolution by hand, say which shifts max pooling forgets and which it does not, and draw the
# pixels on which an answer depends.
#
# Before: [lesson 3](03_neurons_layers_xor.py) for neurons and layers, [lesson 5](05_softmax_and_its_loss.py) for the loss. Run
# as a script, the lesson prints; `picture.save("picture.svg")` writes a picture, `figures.save(figure, "figure.svg")` a figure.

# %% tags=["fold"]
import numpy as np

import check
import minigrad as mg
from minigrad.models import (
    Conv2D,
    Dense,
    Flatten,
    MaxPool2D,
    Sequential,
    datasets,
    losses,
)
from minigrad.optim import Adam, figures, fit

# %% [markdown]
# ## See it
#
# A small window, a *filter*, slides over the image. At each place it gives one number; this one says how much lighter the
# image gets there from left to right. Max pooling then keeps the largest number of each 2 by 2 block (the seventh row and
# column fill no block and are left out).

# %%
digits = datasets.digits()  # 1,797 images of 8 by 8, shipped with minigrad
images, labels = digits.train.inputs.reshape(-1, 8, 8, 1), digits.train.targets
new, truth = digits.test.inputs.reshape(-1, 8, 8, 1), digits.test.targets

K = np.array([[-1, 1], [-1, 1]], np.float32)
kernel = K.reshape(1, 2, 2, 1)  # filters, height, width, channels
three = images[labels == 3][2:3]
response = mg.conv2d(three, kernel)
pooled = mg.ops.max_pool2d(response, 2)

# %% tags=["figure"] alt="Three pictures in a row. A handwritten three of 8 by 8 pixels; its 7 by 7 response, high along the left edges of the strokes and negative along the right ones; and the 3 by 3 largest responses after max pooling. From 64 numbers to 9."
parts = {"image": three, "response": response.value, "pooled": pooled.value}
for ax, (name, part) in zip(figures.panels(3), parts.items(), strict=True):
    ax.imshow(part[0, :, :, 0], cmap="cividis")
    title = f"{name}, {part.shape[1]} by {part.shape[2]}"
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(visible=False)
ax.figure

# %% [markdown]
# ## A neuron that slides
#
# Each number of the response is a neuron, with a window for its inputs. All of them share the same weights $K$:
#
# $$y_{ij} = \sum_{u,v} x_{i+u,\,j+v}\, K_{uv}$$
#
# By hand that is two loops. (Mathematicians turn the filter around before it slides, and keep the name convolution for
# that; nets learn $K$, so they need not turn it.)

# %%
x = three[0, :, :, 0]
by_hand = np.zeros((7, 7))
for i in range(7):
    for j in range(7):
        by_hand[i, j] = np.sum(x[i : i + 2, j : j + 2] * K)
difference = np.abs(by_hand - response.value[0, :, :, 0]).max()
print(f"by hand and by engine differ by {difference:.6f}")

# %% [markdown]
# Since every window has the same weights, an image that moves has a response that moves: no stroke is met by a filter
# that has not learned it. That is called *equivariance*. A dense layer has other weights at every place.

# %%
room = np.pad(three, ((0, 0), (2, 2), (2, 2), (0, 0)))
then_moved = np.roll(mg.conv2d(room, kernel).value, 1, axis=2)
moved_first = mg.conv2d(np.roll(room, 1, axis=2), kernel).value
print(
    "moved, then filtered: the same?", np.array_equal(moved_first, then_moved)
)

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# A net that says "three" should say it of the moved three too, so the moving has to be forgotten somewhere. Max pooling
# over blocks of two makes of the row `0 9 0 0 0 0` the row `9 0 0`. We push the 9 by one place. Is the pooled row the same?
#
# 1. Yes, to whichever side.
# 2. To the left yes, to the right no.
# 3. No, to neither side: the input is another one.

# %% tags=["figure"] alt="Left, six rows of six cells with a 9 at place 0, 1, 2, 3, 4, 5. Right, the pooled rows of three cells: 9 0 0 for the places 0 and 1, 0 9 0 for 2 and 3, 0 0 9 for 4 and 5. Three of the five moves are forgotten, two are not."
rows = 9 * np.eye(6, dtype=np.float32).reshape(6, 1, 6, 1)
blocks = mg.ops.max_pool2d(rows, (1, 2)).value
left, right = figures.panels(2, ylabel="the 9 stands at place")
for ax, part in ((left, rows), (right, blocks)):
    ax.imshow(part[:, 0, :, 0], cmap="cividis", aspect="auto")
    ax.set(yticks=range(6), xticks=range(part.shape[2]))
    ax.grid(visible=False)
left.set(title="row", xlabel="place")
right.set(title="largest of each block", xlabel="block")
left.figure

# %% row="THY-27"
pool = {place: blocks[place, 0, :, 0].tolist() for place in range(6)}
print("place of the 9 -> pooled row:", pool)
assert pool[0] == pool[1] == [9, 0, 0]
assert pool[2] == pool[3] == [0, 9, 0] != pool[1]

# %% [markdown] tags=["answer"]
# **2.** Places 0 and 1 are one block, 1 and 2 are not. The first answer is what one often reads, "pooling is invariant to
# shifts": it holds for small shifts, and only as long as no block border is crossed. The third takes the input for the
# output: the maximum does not say where in its block it was.

# %% [markdown]
# ## The way back
#
# The adjoint goes back to the entry that was the largest, and to that one alone.

# %%
row = mg.Input(np.float32([3, 5, 2, 1]).reshape(1, 1, 4, 1), name="row")
total = (mg.ops.max_pool2d(row, (1, 2)) * 10).sum()
(adjoint,) = mg.gradients(total, [row])
print("adjoint of (3, 5, 2, 1):", adjoint.value.ravel())

# %% [markdown]
# ## Real digits, pushed aside
#
# Two nets with the same two layers of filters. One pools blocks of 2 by 2 and keeps 6 by 6 places; the other pools
# over everything, 12 by 12, and keeps for each filter only how strongly it was met, no matter where.


# %%
def moved(x, columns):
    """Images moved to the right, or left; zeros move in."""
    wide = np.pad(x, ((0, 0), (0, 0), (4, 4), (0, 0)))
    return wide[:, :, 4 - columns : 12 - columns]


def trained(pool):
    """A net of two layers of filters and a pooling, after four epochs."""
    places = (12 // pool) ** 2
    net = Sequential(
        Conv2D(1, 8, 3, padding=2, activation=mg.relu, rng=0),
        Conv2D(8, 32, 3, padding=2, activation=mg.relu, rng=1),
        MaxPool2D(pool),
        Flatten(),
        Dense(32 * places, 10, rng=2),
    )
    fit(
        net, images, labels, loss=losses.cross_entropy, epochs=4, quiet=True,
        optimizer=Adam(net.parameters(), 0.01), batch_size=64,
    )  # fmt: skip
    return net


def right_by_shift(net):
    """Right answers on new digits in percent, by shift in pixels."""
    found = {k: net(moved(new, k)).value.argmax(axis=1) for k in shifts}
    return {k: 100 * float(np.mean(found[k] == truth)) for k in shifts}


shifts = (-2, -1, 0, 1, 2)
by_blocks, by_whole = trained(2), trained(12)
of_blocks, of_whole = right_by_shift(by_blocks), right_by_shift(by_whole)
for net, scores in ((by_blocks, of_blocks), (by_whole, of_whole)):
    percent = {k: round(score) for k, score in scores.items()}
    print(f"{net.n_parameters():,} parameters, right in %: {percent}")

# %% tags=["figure"] alt="Right answers over the shift in pixels. Pooling by blocks: 99 percent at shift 0, 57 and 73 at one pixel, 20 and 25 at two. Pooling over the whole image: a flat line at 94 percent that ends at 90."
answers = {"blocks of 2 by 2": of_blocks, "whole image": of_whole}
figures.lines(
    {name: (shifts, list(of.values())) for name, of in answers.items()},
    xlabel="shift in pixels",
    ylabel="right on new digits, %",
    ylim=(0, 103),
    xticks=shifts,
)

# %% [markdown]
# Both read digits where they were trained. One pixel aside, the net of small blocks fails on a quarter and more: its dense
# layer has a weight for every *place*, and many strokes have crossed a block border. So a convolution alone does not make
# a net invariant. The other net pays with a few answers: it no longer knows where in the image a stroke was.

# %% [markdown]
# ## Which pixels decide?
#
# The engine differentiates by any node, so by the image too. $|\partial s_c / \partial x_{ij}|$ says how much a pixel
# moves the score $s_c$ of class c: a *saliency map*. It costs one backward pass, whatever the number of pixels.

# %% tags=["figure"] alt="Left a handwritten 1, a thick stroke with a flag at its left. Right its saliency map of 8 by 8 pixels: largest where the flag meets the stroke, about half as large along the stroke and its left edge, near 0 in the empty corners."
example = new[21]
left, right = figures.panels(2)
left.imshow(example[:, :, 0], cmap="cividis")
left.set(title=f"a {truth[21]}", xticks=[], yticks=[])
left.grid(visible=False)
right.set(title=f"slopes of the score of class {truth[21]}")
figures.saliency(by_whole, example, truth[21], ax=right)

# %% [markdown]
# It is a map of slopes, not of reasons: it says which pixels would change the score next, by a little. We measure one.

# %%
saliency = figures.saliency_map(by_whole, example, truth[21])[:, :, 0]
at = np.unravel_index(saliency.argmax(), saliency.shape)
step = np.zeros_like(example)
step[at] = 0.001
ahead, behind = (
    by_whole((example + s * step)[None]).value[0, truth[21]] for s in (1, -1)
)
measured = abs(float(ahead - behind)) / 0.002
print(f"largest slope: engine {saliency[at]:.2f}, measured {measured:.2f}")

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write `slide(row, weights)`: the response of a row to a filter, as a list. A row of 5 and a filter of 2 give 4 numbers.


# %% tags=["exercise"]
def slide(row, weights):
    return None


# %% tags=["solution"]
def slide(row, weights):
    n = len(weights)
    places = range(len(row) - n + 1)
    return [sum(row[j + v] * weights[v] for v in range(n)) for j in places]


# %% tags=["check"]
some, difference_of_two = [0.0, 2.0, 2.0, 5.0, 1.0], [-1.0, 1.0]
as_images = (
    np.reshape(some, (1, 1, 5, 1)),
    np.reshape(difference_of_two, (1, 1, 2, 1)),
)
check.same(
    slide(some, difference_of_two),
    mg.conv2d(*as_images).value.ravel(),
    "slide([0, 2, 2, 5, 1], [-1, 1])",
)

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# The 9 stands at place 0 and may move by up to three places to the right. What is the smallest block that forgets all
# of these moves?

# %% tags=["exercise"]
block = None  # yours

# %% tags=["solution"]
block = 4

# %% tags=["check"]
wide = 9 * np.eye(12, dtype=np.float32).reshape(12, 1, 12, 1)[:4]
forgets = [
    n
    for n in (1, 2, 3, 4, 6)
    if np.ptp(mg.ops.max_pool2d(wide, (1, n)).value, axis=0).max() == 0
]
check.same(block, forgets[0], "block")

# %% [markdown]
# ## What we claimed
#
# **A filter moves with the image; max pooling forgets where in its block.**
#
# - A convolution is one small neuron used at every place; moving the image moves its response.
# - Max pooling gives invariance to shifts within a block, none beyond it; the adjoint goes to the largest entry alone.
# - A saliency map is the gradient of a score by the image.
#
# Shared weights come back in time, in [lesson 19](19_unrolled_in_time.py). Read: K. Simonyan, A. Vedaldi and A. Zisserman,
# *Deep inside convolutional networks*, 2014.

# %%
assert difference < 1e-6
assert np.array_equal(moved_first, then_moved)
assert pool[1] != pool[2]
assert adjoint.value.ravel().tolist() == [0, 10, 10, 0]
assert of_blocks[0] > 90 and min(of_whole.values()) > 85
assert max(of_blocks[-1], of_blocks[1]) < 80
assert abs(saliency[at] - measured) < 0.02 * measured
assert example[at] > 0.5 > 0.2 > saliency[0, 0] / saliency[at]
