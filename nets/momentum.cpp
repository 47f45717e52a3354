// SGD with momentum and Adam on the names network, as torch.optim takes these steps: sgd.cpp's products, another update.
//
// `step` in sgd.cpp takes a gradient off the weights while it computes it; here it has to be had whole, since momentum and
// Adam remember.  A file of its own, so that what plain SGD computed does not depend on it.  Further constants of the
// compiler's: ADAM and NESTEROV (0 or 1).

#include "sgd.cpp"

static_assert(!NORMED);
constexpr int NUMBERS = sizeof(Network) / sizeof(REAL);  // all weights; what pads them has no gradient and stays zero

static void gradient(Network &net, Network &found, Batch &now, const uint8_t *x, const uint8_t *y,
                     const int64_t *chosen) {
    for (int b = 0; b < BATCH; b++)
        for (int i = 0; i < FAN_IN; i++) {
            REAL value = net.embedding[x[chosen[b] * CONTEXT + i / DIMENSION]][i % DIMENSION];
            numbers(now.shown[i])[b] = numbers(now.shown_across[b])[i] = value;
        }
    product<WIDTH, FAN_IN>(numbers(net.input), IN, 1, now.shown,
                           [&](int h, int n, Vector sum) { now.hidden[h][n] = hyperbolic(sum + net.shift[h]); });
    product<LETTERS, WIDTH>(numbers(net.output), 1, OUT, now.hidden,
                            [&](int v, int n, Vector sum) { now.error[v][n] = sum + net.bias[v]; });
    compare(now, y, chosen);
    product<WIDTH, LETTERS>(numbers(net.output), OUT, 1, now.error, [&](int h, int n, Vector sum) {
        now.inner[h][n] = sum * (1 - now.hidden[h][n] * now.hidden[h][n]);
    });
    for (int h = 0; h < WIDTH; h++) found.shift[h] = sum(now.inner[h]);
    for (int v = 0; v < LETTERS; v++) found.bias[v] = sum(now.error[v]);
    product<FAN_IN, WIDTH>(numbers(net.input), 1, IN, now.inner,
                           [&](int i, int n, Vector sum) { now.slope[i][n] = sum; });
    product<WIDTH, BATCH>(numbers(now.inner), BATCH, 1, now.shown_across,
                          [&](int h, int n, Vector sum) { found.input[h][n] = sum; });
    product<WIDTH, BATCH>(numbers(now.hidden), BATCH, 1, now.error_across,
                          [&](int h, int n, Vector sum) { found.output[h][n] = sum; });
    for (int k = 0; k < LETTERS * DIMENSION; k++) numbers(found.embedding)[k] = 0;
    for (int b = 0; b < BATCH; b++)
        for (int i = 0; i < FAN_IN; i++)
            found.embedding[x[chosen[b] * CONTEXT + i / DIMENSION]][i % DIMENSION] += numbers(now.slope[i])[b];
}

struct Rule {
    double rate, beta1, beta2, epsilon;  // momentum is beta1 of SGD
};

static void update(REAL *__restrict weight, const REAL *__restrict gradient, REAL *__restrict mean,
                   REAL *__restrict square, const Rule &rule, int64_t taken) {
    REAL beta1 = rule.beta1, beta2 = rule.beta2, epsilon = rule.epsilon;
    REAL rate = ADAM ? rule.rate / (1 - std::pow(rule.beta1, taken)) : rule.rate;
    REAL scale = 1 / std::sqrt(1 - std::pow(rule.beta2, taken));
    for (int k = 0; k < NUMBERS; k++) {
        REAL now = gradient[k];
        mean[k] = beta1 * mean[k] + (ADAM ? 1 - beta1 : 1) * now;
        if (ADAM) square[k] = beta2 * square[k] + (1 - beta2) * now * now;
        weight[k] -= rate * (ADAM ? mean[k] / (std::sqrt(square[k]) * scale + epsilon)
                                  : NESTEROV ? now + beta1 * mean[k] : mean[k]);
    }
}

// Trains one network in place, as `train` in sgd.cpp does, from no memory of earlier gradients; there is no scale.
extern "C" void train_by(REAL *embedding, REAL *hidden, REAL *scale, REAL *shift, REAL *output, REAL *bias,
                         const uint8_t *x, const uint8_t *y, const int64_t *order, int64_t stride, const Rule *rule,
                         int64_t steps) {
    auto net = std::make_unique<Network>(), found = std::make_unique<Network>(), mean = std::make_unique<Network>(),
         square = std::make_unique<Network>();
    auto now = std::make_unique<Batch>();
    copy(*net, false, embedding, hidden, scale, shift, output, bias);
    for (int64_t s = 0; s < steps; s++) {
        gradient(*net, *found, *now, x, y, order + s * stride);
        update((REAL *)net.get(), (REAL *)found.get(), (REAL *)mean.get(), (REAL *)square.get(), *rule, s + 1);
    }
    copy(*net, true, embedding, hidden, scale, shift, output, bias);
}
