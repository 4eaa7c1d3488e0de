// A hand-written C++ Tsit5: the floor that a batch engine on the CPU is compared with.
//
// 10,000 trajectories in double, t in [0, T], rtol 1e-6, atol 1e-9, of one of three systems:
//
//   lorenz    3 states; sigma 10, beta 8/3, rho = linspace(20, 30), from (1, 1, 1)
//   vdp       2 states, Van der Pol; mu = linspace(1, 10), from (2, 0)
//   l96       20 states, Lorenz-96; F = linspace(6, 10), from 8 and 8.01 in the first one
//
// Tsitouras' 5(4) pair of 2011 with FSAL, an I controller (exponent 1/5, safety 0.9, factors 0.2 to
// 10), error norm: root mean square. LANES trajectories stand side by side in one block of arrays,
// each with its own time and step; acceptance is a select, and a lane that finishes takes the next
// trajectory at once.
//
//   g++ -std=c++20 -Ofast -march=native -fschedule-insns -fsched-pressure -pthread tsit5.cpp
//   (plain -O3 -march=native costs a fifth; -DLANES=16 makes wider blocks)
//   ./a.out [system] [T] [threads] [trajectories]
//
// Prints one JSON line: us_per_trajectory (wall, best of 5), cpu_us_per_trajectory (processors'
// time of all threads, best of 5), mean_steps (attempted, so rejected ones count), sample (the end
// of trajectory 0, its first states).

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <thread>
#include <vector>

#ifndef LANES
#define LANES 8
#endif
// Loops over states are straight code, as by hand.
#define EACH_STATE _Pragma("GCC unroll 20") for (int s = 0; s < N; ++s)

namespace {

constexpr double kRtol = 1e-6, kAtol = 1e-9;
constexpr double kSafety = 0.9, kShrink = 0.2, kGrow = 10.0;
constexpr double kIdle = -1e300;  // the time of a lane with nothing left to do: it never arrives

constexpr double a21 = 0.161;
constexpr double a31 = -0.008480655492356989, a32 = 0.335480655492357;
constexpr double a41 = 2.8971530571054935, a42 = -6.359448489975075, a43 = 4.3622954328695815;
constexpr double a51 = 5.325864828439257, a52 = -11.748883564062828, a53 = 7.4955393428898365,
                 a54 = -0.09249506636175525;
constexpr double a61 = 5.86145544294642, a62 = -12.92096931784711, a63 = 8.159367898576159,
                 a64 = -0.071584973281401, a65 = -0.028269050394068383;
constexpr double a71 = 0.09646076681806523, a72 = 0.01, a73 = 0.4798896504144996,
                 a74 = 1.379008574103742, a75 = -3.290069515436081, a76 = 2.324710524099774;
constexpr double e1 = -0.00178001105222577714, e2 = -0.0008164344596567469,
                 e3 = 0.007880878010261995, e4 = -0.1447110071732629, e5 = 0.5823571654525552,
                 e6 = -0.45808210592918697, e7 = 0.015151515151515152;

// The machine's own vector (GCC's extension: arithmetic, comparison and ?: work by element), and a
// row of them as wide as a block: its vectors are independent, so their latencies overlap.
#ifdef __AVX512F__
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif
static_assert(LANES % kWidth == 0);
constexpr int kRow = LANES / kWidth;
typedef double Vec __attribute__((vector_size(kWidth * sizeof(double))));
typedef std::int64_t Bits __attribute__((vector_size(kWidth * sizeof(double))));

inline Vec fill_vec(double v) { return v - Vec{}; }
inline Vec vmin(Vec a, Vec b) { return a < b ? a : b; }
inline Vec vmax(Vec a, Vec b) { return a > b ? a : b; }
inline Vec vabs(Vec a) { return (Vec)((Bits)a & INT64_MAX); }

struct alignas(64) Row {
  Vec v[kRow];
  double& at(int l) { return reinterpret_cast<double*>(v)[l]; }
};

// A system: its states, the range of its parameter, where it starts, and its slopes, of numbers or of
// vectors of them.
struct Lorenz {
  static constexpr int kStates = 3;
  static constexpr double kFirst = 20.0, kLast = 30.0, kSigma = 10.0, kBeta = 8.0 / 3.0;
  static double start(int) { return 1.0; }
  template <class V>
  static inline void slopes(const V* u, V rho, V* f) {
    f[0] = kSigma * (u[1] - u[0]);
    f[1] = u[0] * (rho - u[2]) - u[1];
    f[2] = u[0] * u[1] - kBeta * u[2];
  }
};

struct VanDerPol {
  static constexpr int kStates = 2;
  static constexpr double kFirst = 1.0, kLast = 10.0;
  static double start(int s) { return s == 0 ? 2.0 : 0.0; }
  template <class V>
  static inline void slopes(const V* u, V mu, V* f) {
    f[0] = u[1];
    f[1] = mu * (1.0 - u[0] * u[0]) * u[1] - u[0];
  }
};

struct Lorenz96 {
  static constexpr int kStates = 20, N = kStates;
  static constexpr double kFirst = 6.0, kLast = 10.0;
  static double start(int s) { return s == 0 ? 8.01 : 8.0; }
  template <class V>
  static inline void slopes(const V* u, V forcing, V* f) {
    EACH_STATE f[s] = (u[(s + 1) % N] - u[(s + N - 2) % N]) * u[(s + N - 1) % N] - u[s] + forcing;
  }
};

template <int N>
struct Block {
  Row y[N], f[N];  // the state, and its derivative, kept for the next step
  Row parameter, t, h, steps;
};

struct Batch {
  int n;
  double end;
  std::vector<double> parameter, out, steps;  // out: n rows, one of each trajectory
  std::atomic<int> next{0};

  Batch(int count, double t, int states, double first, double last)
      : n(count), end(t), parameter(n), out(states * static_cast<size_t>(n)), steps(n) {
    for (int i = 0; i < n; ++i) parameter[i] = n > 1 ? first + (last - first) * i / (n - 1) : first;
  }
};

// v^(-1/10) to about 1e-4, all of it in instructions that AVX2 has: the logarithm and its inverse
// are read off the bits (2^52 added puts an integer below 2^52 into a double), two Newton steps.
inline Vec root10(Vec v) {
  constexpr std::int64_t kTop = 0x4330000000000000;
  constexpr double kTwo52 = 4503599627370496.0, kTwo40 = 1099511627776.0;
  const Vec log2 = (Vec)((Bits)v >> 12 | kTop) - kTwo52;  // v is positive: the shift's sign is 0
  Vec r = (Vec)((Bits)((1023.0 * 1.1 - 0.043) * kTwo40 + kTwo52 - 0.1 * log2) << 12);
  for (int i = 0; i < 2; ++i) {
    const Vec r2 = r * r, r4 = r2 * r2;
    r *= 1.1 - 0.1 * v * (r4 * r4 * r2);
  }
  return r;
}

// Scaled squares of up to four states over one common denominator: one division where there were
// four. (Of more, the product of all scales might be too small for a double.)
template <int N>
inline Vec squares_of(const Vec* error, const Vec* scale) {
  Vec sum{};
  _Pragma("GCC unroll 5") for (int first = 0; first < N; first += 4) {
    const int last = first + 4 < N ? first + 4 : N;
    Vec top{}, bottom = fill_vec(1.0);
    _Pragma("GCC unroll 4") for (int s = first; s < last; ++s) {
      Vec others = error[s];
      _Pragma("GCC unroll 4") for (int r = first; r < last; ++r) if (r != s) others *= scale[r];
      top += others * others;
      bottom *= scale[s];
    }
    sum += top / (bottom * bottom);
  }
  return sum / static_cast<double>(N);
}

// One attempted step of every lane; returns whether one of them has arrived.
template <class System, int N = System::kStates>
inline bool step(Block<N>& b, double end) {
  Row u[N], h, k[8][N];
  for (int j = 0; j < kRow; ++j) {
    h.v[j] = vmin(b.h.v[j], end - b.t.v[j]);
    EACH_STATE k[1][s].v[j] = b.f[s].v[j];
  }
// One stage: the state at it, by the row of the tableau SUM, and the derivative there.
#define STAGE(i, SUM)                                                                 \
  for (int j = 0; j < kRow; ++j) {                                                    \
    Vec at[N], slope[N];                                                              \
    EACH_STATE u[s].v[j] = at[s] = b.y[s].v[j] + h.v[j] * (SUM(s));                   \
    System::slopes(at, b.parameter.v[j], slope);                                      \
    EACH_STATE k[i][s].v[j] = slope[s];                                               \
  }
#define S2(s) a21* k[1][s].v[j]
#define S3(s) a31* k[1][s].v[j] + a32* k[2][s].v[j]
#define S4(s) a41* k[1][s].v[j] + a42* k[2][s].v[j] + a43* k[3][s].v[j]
#define S5(s) a51* k[1][s].v[j] + a52* k[2][s].v[j] + a53* k[3][s].v[j] + a54* k[4][s].v[j]
#define S6(s) a61* k[1][s].v[j] + a62* k[2][s].v[j] + a63* k[3][s].v[j] + a64* k[4][s].v[j] + a65* k[5][s].v[j]
#define S7(s)                                                                              \
  a71* k[1][s].v[j] + a72* k[2][s].v[j] + a73* k[3][s].v[j] + a74* k[4][s].v[j] + a75* k[5][s].v[j] + \
      a76* k[6][s].v[j]
#define ERR(s)                                                                         \
  e1* k[1][s].v[j] + e2* k[2][s].v[j] + e3* k[3][s].v[j] + e4* k[4][s].v[j] + e5* k[5][s].v[j] + \
      e6* k[6][s].v[j] + e7* k[7][s].v[j]
  STAGE(2, S2)
  STAGE(3, S3)
  STAGE(4, S4)
  STAGE(5, S5)
  STAGE(6, S6)
  STAGE(7, S7)
  Bits arrived{};
  for (int j = 0; j < kRow; ++j) {
    Vec error[N], scale[N];
    EACH_STATE scale[s] = kAtol + kRtol * vmax(vabs(b.y[s].v[j]), vabs(u[s].v[j]));
    EACH_STATE error[s] = ERR(s);
    const Vec hj = h.v[j];
    const Vec squares = hj * hj * squares_of<N>(error, scale);
    const Bits ok = squares <= 1.0;
    const Vec bounded = vmin(vmax(squares, fill_vec(1e-12)), fill_vec(1e12));
    const Vec factor = vmin(vmax(kSafety * root10(bounded), fill_vec(kShrink)), fill_vec(kGrow));
    const Vec now = ok ? (b.h.v[j] < end - b.t.v[j] ? b.t.v[j] + hj : fill_vec(end)) : b.t.v[j];
    EACH_STATE {
      b.y[s].v[j] = ok ? u[s].v[j] : b.y[s].v[j];
      b.f[s].v[j] = ok ? k[7][s].v[j] : k[1][s].v[j];
    }
    b.h.v[j] = hj * factor;
    b.t.v[j] = now;
    b.steps.v[j] += 1.0;
    arrived |= now >= end;
  }
  std::int64_t any = 0;
  for (int l = 0; l < kWidth; ++l) any |= arrived[l];
  return any != 0;
}

template <class System, int N = System::kStates>
void begin(Block<N>& b, int l, double parameter, double t) {
  double y[N], f[N], size = 0.0, slope = 0.0;
  for (int s = 0; s < N; ++s) y[s] = System::start(s);
  System::slopes(y, parameter, f);
  for (int s = 0; s < N; ++s) {
    b.y[s].at(l) = y[s], b.f[s].at(l) = f[s];
    size += y[s] * y[s], slope += f[s] * f[s];
  }
  b.parameter.at(l) = parameter;
  b.t.at(l) = t;
  b.h.at(l) = 0.01 * std::sqrt(size / slope);  // |y| / |f|, Hairer
  b.steps.at(l) = 0.0;
}

template <class System, int N = System::kStates>
void work(Batch& batch) {
  Block<N> b;
  int owner[LANES], live = 0;
  const auto fill = [&](int l) {
    const int i = batch.next.fetch_add(1, std::memory_order_relaxed);
    owner[l] = i < batch.n ? i : -1;
    begin<System>(b, l, batch.parameter[i < batch.n ? i : 0], i < batch.n ? 0.0 : kIdle);
    return i < batch.n;
  };
  for (int l = 0; l < LANES; ++l) live += fill(l);
  while (live > 0) {
    if (!step<System>(b, batch.end)) continue;
    for (int l = 0; l < LANES; ++l) {
      if (b.t.at(l) < batch.end) continue;
      const size_t i = owner[l];
      for (int s = 0; s < N; ++s) batch.out[N * i + s] = b.y[s].at(l);
      batch.steps[i] = b.steps.at(l);
      if (!fill(l)) --live;
    }
  }
}

template <class System>
void measure(const char* name, double end, int threads, int count) {
  Batch batch(count, end, System::kStates, System::kFirst, System::kLast);
  double best = 1e300, least = 1e300;
  for (int repeat = 0; repeat < 5; ++repeat) {
    batch.next = 0;
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t worked = std::clock();
    std::vector<std::thread> pool;
    for (int i = 1; i < threads; ++i) pool.emplace_back(work<System>, std::ref(batch));
    work<System>(batch);
    for (auto& thread : pool) thread.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
    least = std::min(least, static_cast<double>(std::clock() - worked) / CLOCKS_PER_SEC);
  }
  double steps = 0.0;
  for (const double s : batch.steps) steps += s;
  std::printf(
      "{\"us_per_trajectory\": %.4f, \"cpu_us_per_trajectory\": %.4f, \"mean_steps\": %.2f, "
      "\"sample\": [%.15g, %.15g], \"system\": \"%s\", \"lanes\": %d, \"threads\": %d, "
      "\"t_end\": %g, \"trajectories\": %d}\n",
      1e6 * best / count, 1e6 * least / count, steps / count, batch.out[0], batch.out[1], name,
      LANES, threads, end, count);
}

}  // namespace

int main(int argc, char** argv) {
  const char* name = argc > 1 ? argv[1] : "lorenz";
  const double end = argc > 2 ? std::atof(argv[2]) : 10.0;
  const int threads = argc > 3 ? std::atoi(argv[3]) : 2;
  const int count = argc > 4 ? std::atoi(argv[4]) : 10000;
  if (!std::strcmp(name, "lorenz")) return measure<Lorenz>(name, end, threads, count), 0;
  if (!std::strcmp(name, "vdp")) return measure<VanDerPol>(name, end, threads, count), 0;
  if (!std::strcmp(name, "l96")) return measure<Lorenz96>(name, end, threads, count), 0;
  std::fprintf(stderr, "%s is no system; expected lorenz, vdp or l96\n", name);
  return 1;
}
