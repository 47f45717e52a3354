// Plain SGD on the names network: many steps of one network, whose weights never leave the processor's cache.
//
// The same steps as nets/mlp.py and nets/normed_mlp.py, product by product; nets/sgd.py says when which is used.
// A vector holds one number of several examples, so that softmax, tanh and normalisation run across vectors and never
// along them; for the two products that sum over examples it holds one number of several weights of a unit.  Sizes are
// the compiler's constants: LETTERS, CONTEXT, DIMENSION, WIDTH, BATCH (examples, a multiple of LANES), NORMED (0 or 1),
// EPSILON, REAL (float or double).

#include <cmath>
#include <cstdint>
#include <memory>
#include <type_traits>

constexpr int LANES = 32 / sizeof(REAL);  // numbers to a vector: the order of sums is the same on every processor
constexpr int FAN_IN = CONTEXT * DIMENSION;
constexpr int ROWS = 5, COLUMNS = 2;  // sums kept in registers at once: enough of them to hide an addition's delay

typedef REAL Vector __attribute__((vector_size(LANES * sizeof(REAL)), may_alias));
typedef std::conditional_t<sizeof(REAL) == 4, int32_t, int64_t> Whole;
typedef Whole Wholes __attribute__((vector_size(LANES * sizeof(REAL)), may_alias));

constexpr int vectors(int numbers) { return (numbers + LANES - 1) / LANES; }
constexpr int EXAMPLES = vectors(BATCH), INPUTS = vectors(FAN_IN), OUTPUTS = vectors(LETTERS);
constexpr int IN = INPUTS * LANES, OUT = OUTPUTS * LANES;  // numbers from one unit's weights to the next's

struct Network {  // each unit's weights lie together, padded to whole vectors
    Vector input[WIDTH][INPUTS], output[WIDTH][OUTPUTS];
    REAL embedding[LETTERS][DIMENSION], shift[WIDTH], scale[WIDTH], bias[LETTERS];
};

struct Batch {  // what one step computes; "across": the same numbers, examples along the first axis
    Vector shown[FAN_IN][EXAMPLES], shown_across[BATCH][INPUTS];
    Vector standard[NORMED ? WIDTH : 1][EXAMPLES], hidden[WIDTH][EXAMPLES], inner[WIDTH][EXAMPLES];
    Vector error[LETTERS][EXAMPLES], error_across[BATCH][OUTPUTS], slope[FAN_IN][EXAMPLES];
    REAL inverse[NORMED ? WIDTH : 1];
};

static inline REAL sum(Vector values) {
    for (int half = LANES / 2; half; half /= 2)
        for (int lane = 0; lane < half; lane++) values[lane] += values[lane + half];
    return values[0];
}

template <int N>
static REAL sum(const Vector (&row)[N]) {
    Vector total = row[0];
    for (int n = 1; n < N; n++) total += row[n];
    return sum(total);
}

constexpr REAL one_over_factorial(int k) { return k < 2 ? REAL(1) : one_over_factorial(k - 1) / REAL(k); }

// exp(x) - power and a power of two: x = n ln 2 + r, and Taylor's series of exp(r) - 1, exact to rounding for such r.
static inline Vector exp_rest(Vector x, Vector &power) {
    constexpr int bits = sizeof(REAL) == 4 ? 23 : 52, terms = sizeof(REAL) == 4 ? 7 : 13;
    constexpr Whole excess = sizeof(REAL) == 4 ? 127 : 1023;
    constexpr REAL round = REAL(3ULL << (bits - 1));  // adding it rounds to a whole number, in the lowest bits
    constexpr REAL high = REAL(0.693145751953125), low = REAL(1.42860682030941723212e-6);  // ln 2, in two pieces
    Vector shifted = x * REAL(1.44269504088896340736) + round;
    power = (Vector)(((Wholes)shifted + excess) << bits);
    Vector n = shifted - round, r = (x - n * high) - n * low, series = {};
#pragma GCC unroll 16
    for (int k = terms; k >= 1; k--) series = series * r + one_over_factorial(k);
    return series * r * power;
}

static inline Vector clamped(Vector x, REAL low, REAL high) {
    x = x < low ? low - Vector{} : x;  // a comparison is false for what is not a number, which so stays one
    return x > high ? high - Vector{} : x;
}

static inline Vector exponential(Vector x) {  // e^-80 stands for all that is smaller: nothing beside the largest, 1
    Vector power, rest = exp_rest(clamped(x, -80, 80), power);
    return rest + power;
}

static inline Vector hyperbolic(Vector x) {  // tanh
    Vector power, rest = exp_rest(clamped(2 * x, -40, 40), power), less = rest + (power - 1);
    return less / (less + 2);  // less is exp(2x) - 1, exact to rounding at small x too
}

// Sums a[m * by_m + k * by_k] * b[k][n] over k and hands the sum to `take` with m and n.
template <int R, int C, int K, int N, class Take>
static inline void block(int m, int n, const REAL *a, int by_m, int by_k, const Vector (*b)[N], Take take) {
    Vector total[R][C] = {};
    for (int k = 0; k < K; k++)
        for (int r = 0; r < R; r++)
            for (int c = 0; c < C; c++) total[r][c] += a[(m + r) * by_m + k * by_k] * b[k][n + c];
    for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++) take(m + r, n + c, total[r][c]);
}

template <int R, int K, int N, class Take>
static inline void rows(int m, const REAL *a, int by_m, int by_k, const Vector (*b)[N], Take take) {
    int n = 0;
    for (; n + COLUMNS <= N; n += COLUMNS) block<R, COLUMNS, K>(m, n, a, by_m, by_k, b, take);
    if constexpr (N % COLUMNS) block<R, N % COLUMNS, K>(m, n, a, by_m, by_k, b, take);
}

template <int M, int K, int N, class Take>
static inline void product(const REAL *a, int by_m, int by_k, const Vector (*b)[N], Take take) {
    int m = 0;
    for (; m + ROWS <= M; m += ROWS) rows<ROWS, K>(m, a, by_m, by_k, b, take);
    if constexpr (M % ROWS) rows<M % ROWS, K>(m, a, by_m, by_k, b, take);
}

template <class Rows>
static REAL *numbers(Rows &rows) { return (REAL *)rows; }

static void normalise(Network &net, Batch &now) {  // loops apart, so that units do not wait for each other's sums
    REAL mean[WIDTH], variance[WIDTH];
    for (int h = 0; h < WIDTH; h++) mean[h] = sum(now.hidden[h]) / BATCH;
    for (int h = 0; h < WIDTH; h++) {
        Vector squares = {};
        for (auto &value : now.hidden[h]) value -= mean[h], squares += value * value;
        variance[h] = sum(squares) / BATCH;
    }
    for (int h = 0; h < WIDTH; h++) now.inverse[h] = 1 / std::sqrt(variance[h] + REAL(EPSILON));
    for (int h = 0; h < WIDTH; h++)
        for (int n = 0; n < EXAMPLES; n++) {
            now.standard[h][n] = now.hidden[h][n] * now.inverse[h];
            now.hidden[h][n] = now.standard[h][n] * net.scale[h];
        }
}

static void normalise_backwards(Network &net, Batch &now, REAL rate) {
    REAL common[WIDTH], along[WIDTH];
    for (int h = 0; h < WIDTH; h++) {
        Vector products = {};
        for (int n = 0; n < EXAMPLES; n++) products += now.inner[h][n] * now.standard[h][n];
        common[h] = sum(now.inner[h]) / BATCH, along[h] = sum(products) / BATCH;
    }
    for (int h = 0; h < WIDTH; h++) {
        REAL factor = net.scale[h] * now.inverse[h];
        for (int n = 0; n < EXAMPLES; n++)
            now.inner[h][n] = (now.inner[h][n] - common[h] - now.standard[h][n] * along[h]) * factor;
    }
    for (int h = 0; h < WIDTH; h++) net.scale[h] -= rate * BATCH * along[h];
}

static void compare(Batch &now, const uint8_t *y, const int64_t *chosen) {  // logits become probability minus truth
    for (int n = 0; n < EXAMPLES; n++) {
        Vector largest = now.error[0][n], total = {};
        for (auto &row : now.error) largest = row[n] > largest ? row[n] : largest;
        for (auto &row : now.error) total += row[n] = exponential(row[n] - largest);
        Vector share = 1 / (total * BATCH);
        for (auto &row : now.error) row[n] *= share;
    }
    for (int b = 0; b < BATCH; b++) {
        numbers(now.error[y[chosen[b]]])[b] -= REAL(1) / BATCH;
        for (int v = 0; v < LETTERS; v++) numbers(now.error_across[b])[v] = numbers(now.error[v])[b];
    }
}

static void step(Network &net, Batch &now, const uint8_t *x, const uint8_t *y, const int64_t *chosen, REAL rate) {
    for (int b = 0; b < BATCH; b++)
        for (int i = 0; i < FAN_IN; i++) {
            REAL value = net.embedding[x[chosen[b] * CONTEXT + i / DIMENSION]][i % DIMENSION];
            numbers(now.shown[i])[b] = numbers(now.shown_across[b])[i] = value;
        }
    product<WIDTH, FAN_IN>(numbers(net.input), IN, 1, now.shown,
                           [&](int h, int n, Vector sum) { now.hidden[h][n] = sum; });
    if constexpr (NORMED) normalise(net, now);
    for (int h = 0; h < WIDTH; h++)
        for (auto &value : now.hidden[h]) value = hyperbolic(value + net.shift[h]);
    product<LETTERS, WIDTH>(numbers(net.output), 1, OUT, now.hidden,
                            [&](int v, int n, Vector sum) { now.error[v][n] = sum + net.bias[v]; });
    compare(now, y, chosen);
    product<WIDTH, LETTERS>(numbers(net.output), OUT, 1, now.error, [&](int h, int n, Vector sum) {
        now.inner[h][n] = sum * (1 - now.hidden[h][n] * now.hidden[h][n]);
    });
    for (int h = 0; h < WIDTH; h++) net.shift[h] -= rate * sum(now.inner[h]);
    if constexpr (NORMED) normalise_backwards(net, now, rate);
    product<FAN_IN, WIDTH>(numbers(net.input), 1, IN, now.inner,
                           [&](int i, int n, Vector sum) { now.slope[i][n] = sum; });
    product<WIDTH, BATCH>(numbers(now.inner), BATCH, 1, now.shown_across,
                          [&](int h, int n, Vector sum) { net.input[h][n] -= rate * sum; });
    product<WIDTH, BATCH>(numbers(now.hidden), BATCH, 1, now.error_across,
                          [&](int h, int n, Vector sum) { net.output[h][n] -= rate * sum; });
    for (int v = 0; v < LETTERS; v++) net.bias[v] -= rate * sum(now.error[v]);
    REAL slope[LETTERS][DIMENSION] = {};
    for (int b = 0; b < BATCH; b++)
        for (int i = 0; i < FAN_IN; i++)
            slope[x[chosen[b] * CONTEXT + i / DIMENSION]][i % DIMENSION] += numbers(now.slope[i])[b];
    for (int k = 0; k < LETTERS * DIMENSION; k++) numbers(net.embedding)[k] -= rate * numbers(slope)[k];
}

// Copies weights, laid out as `train` has them, into a network, or out of it.
static void copy(Network &net, bool out, REAL *embedding, REAL *hidden, REAL *scale, REAL *shift, REAL *output,
                 REAL *bias) {
    auto move = [&](REAL &ours, REAL &theirs) { out ? theirs = ours : ours = theirs; };
    for (int k = 0; k < LETTERS * DIMENSION; k++) move(numbers(net.embedding)[k], embedding[k]);
    for (int v = 0; v < LETTERS; v++) move(net.bias[v], bias[v]);
    for (int h = 0; h < WIDTH; h++) {
        for (int i = 0; i < FAN_IN; i++) move(numbers(net.input[h])[i], hidden[i * WIDTH + h]);
        for (int v = 0; v < LETTERS; v++) move(numbers(net.output[h])[v], output[h * LETTERS + v]);
        move(net.shift[h], shift[h]);
        if (NORMED) move(net.scale[h], scale[h]);
    }
}

// Trains one network in place.  Weights as in nets/mlp.py: embedding [letter, dimension], hidden [input, unit],
// scale and shift [unit] (the hidden bias is the shift of a network without scale), output [unit, letter],
// bias [letter].  x [example, context], y [example]; the examples of step s begin at order[s * stride]; rates [step].
extern "C" void train(REAL *embedding, REAL *hidden, REAL *scale, REAL *shift, REAL *output, REAL *bias,
                      const uint8_t *x, const uint8_t *y, const int64_t *order, int64_t stride, const double *rates,
                      int64_t steps) {
    auto net = std::make_unique<Network>();
    auto now = std::make_unique<Batch>();
    copy(*net, false, embedding, hidden, scale, shift, output, bias);
    for (int64_t s = 0; s < steps; s++) step(*net, *now, x, y, order + s * stride, REAL(rates[s]));
    copy(*net, true, embedding, hidden, scale, shift, output, bias);
}
