// lorenz: tsit5, float64

typedef long long integer;
typedef double real;

// The smaller or larger of two; not-a-number where one of them is.
template <class T> __device__ __forceinline__ T smaller(T a, T b) {
  return a < b || a != a ? a : b;
}
template <class T> __device__ __forceinline__ T larger(T a, T b) {
  return a > b || a != a ? a : b;
}

// A GPU's own instructions: better than the polynomials that vectors have, and as quick.
__device__ __forceinline__ float quick_log2(float x) { return __log2f(x); }
__device__ __forceinline__ float quick_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float apart(float x, float y) { return __fadd_rn(x, y); }
__device__ __forceinline__ double apart(double x, double y) { return __dadd_rn(x, y); }
__device__ __forceinline__ float quick_ratio(float x, float y) { return __fdividef(x, y); }


extern "C" __global__ void __launch_bounds__(128) emberkeep_kernel(
    integer count,
    integer first,
    integer runs,
    integer share,
    const real* __restrict__ values,
    const integer* __restrict__ sources,
    const double* __restrict__ spans,
    integer span_step,
    const double* __restrict__ settings,
    const real* __restrict__ atol,
    integer most_attempts,
    const volatile integer* stop,
    const integer* __restrict__ strides,
    signed char* __restrict__ status,
    real* __restrict__ final) {
  const integer begin = (integer)blockIdx.x * blockDim.x + threadIdx.x;
  if (begin >= count) return;
  const integer end = begin + 1;
  integer run_1 = 0, started_1 = 0, running_1 = 0, waiting_1 = 0, attempts_1 = 0, deadline_1 = 0, outcome_1 = 0, place_1 = 0;
  integer place_3 = 0, place_5 = 0, place_7 = 0, place_9 = 0, place_11 = 0;
  double start_1 = 0, span_1 = 0, elapsed_1 = 0;
  real floor_1 = 0, y0_1 = 0, y1_1 = 0, y2_1 = 0, k10_1 = 0, k11_1 = 0, k12_1 = 0, p0_1 = 0;
  real p1_1 = 0, p2_1 = 0, size_1 = 0, least_1 = 0, square_1 = 0, checked_square_1 = 0;
  bool attention_1 = 0, fresh_1 = 0;
  float error_before_1 = 0, error_earlier_1 = 0, size_change_1 = 0, most_growing_1 = 0;
  volatile integer looks_1[5];
  volatile double paces_1[2];
  real probed_1[3];
  real probe_1[3];
  const double v_1 = settings[0];
  const double v_2 = settings[1];
  const double v_3 = settings[2];
  const double v_4 = settings[3];
  const double v_5 = settings[4];
  const double v_6 = settings[5];
  const double v_7 = settings[6];
  const double v_8 = settings[7];
  const double v_9 = settings[8];
  const double v_10 = settings[9];
  const double v_11 = settings[10];
  const double v_12 = settings[11];
  const double v_13 = settings[12];
  const double v_14 = settings[13];
  const real v_15 = (real)v_1;
  const real v_16 = (real)v_2;
  const real v_17 = (real)v_3;
  const real v_18 = (real)v_4;
  const real v_19 = (real)v_5;
  const real v_20 = (real)v_6;
  const real v_21 = (real)v_7;
  const real v_22 = (real)v_8;
  const real v_23 = (real)v_9;
  const real v_24 = (real)v_10;
  const real v_25 = (real)v_11;
  const real v_26 = (real)v_12;
  const real v_27 = (real)v_13;
  const real v_28 = (real)v_14;
  run_1 = -1;
  start_1 = 0.0;
  span_1 = 0.0;
  floor_1 = 0.0;
  y0_1 = 0.0;
  y1_1 = 0.0;
  y2_1 = 0.0;
  k10_1 = 0.0;
  k11_1 = 0.0;
  k12_1 = 0.0;
  p0_1 = 0.0;
  p1_1 = 0.0;
  p2_1 = 0.0;
  const real v_29 = atol[0];
  const real v_30 = atol[1];
  const real v_31 = atol[2];
  const float v_32 = (float)v_6;
  const float v_33 = (float)v_13;
  const float v_34 = (float)v_14;
  running_1 = 0;
  attempts_1 = 0;
  deadline_1 = 0;
  waiting_1 = begin;
  run_1 = -1;
  attention_1 = true;
  elapsed_1 = 0.0;
  size_1 = 0.0;
  least_1 = 0.0;
  square_1 = 0.0;
  started_1 = 0;
  looks_1[0] = 4611686018427387904LL;
  for (;;) {
    const integer attempts_2 = attempts_1;
    const integer deadline_2 = deadline_1;
    const bool v_35 = attempts_2 >= deadline_2;
    if (v_35) {
      deadline_1 = 4611686018427387904LL;
    }
    fresh_1 = false;
    const bool attention_2 = attention_1;
    if (attention_2 || v_35) {
      const integer attempts_3 = attempts_1;
      const integer started_2 = started_1;
      const real square_2 = square_1;
      const real size_2 = size_1;
      const real least_2 = least_1;
      const integer v_36 = (size_2 < least_2) ? ((square_2 < 1e+37) ? 1 : 2) : (((attempts_3 - started_2) >= most_attempts) ? 3 : -1);
      const double elapsed_2 = elapsed_1;
      const double span_2 = span_1;
      outcome_1 = ((elapsed_2 >= span_2) ? 0 : v_36);
      const integer attempts_4 = attempts_1;
      const integer v_37 = looks_1[0];
      const integer outcome_2 = outcome_1;
      if ((attempts_4 >= v_37) || (outcome_2 == 1)) {
        const integer attempts_5 = attempts_1;
        const double elapsed_3 = elapsed_1;
        const integer started_3 = started_1;
        const integer v_38 = started_3 + most_attempts;
        {
          const double start_2 = start_1;
          const double v_39 = start_2 + (v_1 * elapsed_3);
          const real y0_2 = y0_1;
          const real v_40 = v_29 + (v_19 * (fabs(y0_2)));
          const real v_41 = (real)(1.0f / ((float)v_40));
          const real k10_2 = k10_1;
          const real v_42 = k10_2 * v_41;
          const real y1_2 = y1_1;
          const real v_43 = v_30 + (v_19 * (fabs(y1_2)));
          const real v_44 = (real)(1.0f / ((float)v_43));
          const real k11_2 = k11_1;
          const real v_45 = k11_2 * v_44;
          const real y2_2 = y2_1;
          const real v_46 = v_31 + (v_19 * (fabs(y2_2)));
          const real v_47 = (real)(1.0f / ((float)v_46));
          const real k12_2 = k12_1;
          const real v_48 = k12_2 * v_47;
          probed_1[1] = (((v_42 * v_42) + (v_45 * v_45)) + (v_48 * v_48));
          probe_1[0] = (-4.75);
          probe_1[1] = 2.25;
          probe_1[2] = (-1.75);
          probed_1[2] = 30.6875;
          probed_1[0] = __longlong_as_double(0x7ff0000000000000);
          #pragma unroll 1
          for (integer turn_1 = 0; turn_1 < 24; ++turn_1) {
            const real v_49 = probed_1[2];
            const real v_50 = (real)(1.0f / (sqrt(((float)v_49))));
            const real v_51 = ((turn_1 & 1) == 0) ? v_50 : (-v_50);
            const real v_52 = probe_1[0];
            const real v_53 = probe_1[1];
            const real v_54 = probe_1[2];
            const real y0_3 = y0_1;
            const real v_55 = y0_3 + (v_51 * (v_40 * v_52));
            const real y1_3 = y1_1;
            const real v_56 = y1_3 + (v_51 * (v_43 * v_53));
            const real y2_3 = y2_1;
            const real v_57 = y2_3 + (v_51 * (v_46 * v_54));
            const real p0_2 = p0_1;
            const real p1_2 = p1_1;
            const real p2_2 = p2_1;
            const real k10_3 = k10_1;
            const real v_58 = ((p0_2 * (v_56 - v_55)) - k10_3) * v_41;
            const real k11_3 = k11_1;
            const real v_59 = (((v_55 * (p1_2 - v_57)) - v_56) - k11_3) * v_44;
            const real k12_3 = k12_1;
            const real v_60 = (((v_55 * v_56) - (v_57 * p2_2)) - k12_3) * v_47;
            const real v_61 = probed_1[0];
            const real v_62 = (turn_1 < 20) ? __longlong_as_double(0x7ff0000000000000) : (smaller(v_61, (((((v_52 * v_58) + (v_53 * v_59)) + (v_54 * v_60)) * (-v_51)) * v_15)));
            probed_1[0] = v_62;
            probe_1[0] = v_58;
            probe_1[1] = v_59;
            probe_1[2] = v_60;
            probed_1[2] = (((v_58 * v_58) + (v_59 * v_59)) + (v_60 * v_60));
          }
          const double span_3 = span_1;
          const real size_3 = size_1;
          const integer outcome_3 = outcome_1;
          const double v_63 = paces_1[0];
          const double v_64 = elapsed_3 - v_63;
          const integer v_65 = looks_1[1];
          const double v_66 = (double)(attempts_5 - v_65);
          const bool v_67 = outcome_3 == 1;
          const double v_68 = v_67 ? (((double)size_3) * v_66) : v_64;
          const real v_69 = probed_1[0];
          const real v_70 = probed_1[1];
          const bool v_71 = ((((double)v_69) * v_68) >= (v_66 * 1.5780811472122287)) && ((((((double)v_70) * (v_68 * v_5)) * v_68) * v_5) <= ((v_66 * v_66) * 0.0027));
          const integer v_72 = looks_1[2];
          const bool v_73 = v_71 || (v_72 != 0);
          const integer v_74 = looks_1[4];
          const double span_4 = span_1;
          const double v_75 = ((v_74 != 0) ? span_4 : span_3) - elapsed_3;
          const double v_76 = paces_1[1];
          const double v_77 = v_64 - v_76;
          const double v_78 = (((v_64 * v_64) + (((v_77 > 0.0) ? v_77 : 0.0) * v_75)) * ((double)(v_38 - attempts_5))) * 10.0;
          const integer v_79 = looks_1[3];
          const integer v_80 = (v_73 && (((v_75 * v_66) * v_64) > v_78)) ? (v_79 + 1) : 0;
          const integer v_81 = (v_73 && ((((outcome_3 == -1) && (v_80 >= 4)) || v_67) || (outcome_3 == 3))) ? 4 : outcome_3;
          outcome_1 = v_81;
          looks_1[2] = ((integer)v_71);
          looks_1[4] = 0;
          looks_1[3] = v_80;
          looks_1[1] = attempts_5;
          paces_1[0] = elapsed_3;
          paces_1[1] = v_64;
          const integer v_82 = most_attempts / 64;
          const integer v_83 = (v_82 > 1024) ? v_82 : 1024;
          const integer v_84 = looks_1[1];
          const integer v_85 = v_84 + v_83;
          looks_1[0] = (((v_38 - v_85) < v_83) ? v_38 : v_85);
        }
      }
      const integer outcome_4 = outcome_1;
      const bool v_86 = outcome_4 != -1;
      if (!v_86) {
        const integer deadline_3 = deadline_1;
        const integer v_87 = looks_1[0];
        deadline_1 = ((deadline_3 < v_87) ? deadline_3 : v_87);
      }
      if (v_86) {
        const integer outcome_5 = outcome_1;
        const integer run_2 = run_1;
        if (run_2 >= 0) {
          const integer attempts_6 = attempts_1;
          const integer started_4 = started_1;
          const integer v_88 = attempts_6 - started_4;
          const integer run_3 = run_1;
          status[run_3] = outcome_5;
          const bool v_89 = outcome_5 == 0;
          const double span_5 = span_1;
          const double start_3 = start_1;
          const double v_90 = start_3 + (v_1 * span_5);
          const integer v_91 = strides[0];
          if (v_91 != 0) {
            const integer v_92 = strides[1];
            const integer v_93 = run_3 * v_92;
            const integer v_94 = strides[2];
            const real y0_4 = y0_1;
            final[v_93] = (v_89 ? y0_4 : __longlong_as_double(0x7ff8000000000000));
            const real y1_4 = y1_1;
            final[(v_93 + v_94)] = (v_89 ? y1_4 : __longlong_as_double(0x7ff8000000000000));
            const real y2_4 = y2_1;
            final[(v_93 + (2 * v_94))] = (v_89 ? y2_4 : __longlong_as_double(0x7ff8000000000000));
          }
          const integer running_2 = running_1;
          running_1 = (running_2 - 1);
          run_1 = -1;
        }
        attention_1 = false;
        span_1 = __longlong_as_double(0x7ff0000000000000);
        elapsed_1 = 0.0;
        size_1 = 0.0;
        least_1 = 0.0;
        looks_1[0] = 4611686018427387904LL;
        y0_1 = 0.0;
        y1_1 = 0.0;
        y2_1 = 0.0;
        k10_1 = 0.0;
        k11_1 = 0.0;
        k12_1 = 0.0;
        start_1 = 0.0;
        floor_1 = 0.0;
        const integer waiting_2 = waiting_1;
        if (waiting_2 < end) {
          const integer waiting_3 = waiting_1;
          waiting_1 = (waiting_3 + 1);
          const integer running_3 = running_1;
          running_1 = (running_3 + 1);
          run_1 = waiting_3;
          const integer v_95 = sources[0];
          const integer v_96 = sources[1];
          const integer v_97 = sources[2];
          const integer v_98 = sources[3];
          place_1 = (v_95 + (v_96 * waiting_3));
          if (v_97 > 0) {
            place_1 = (v_95 + (((first + waiting_3) / v_97) % v_98));
          }
          const integer place_2 = place_1;
          const real v_99 = values[place_2];
          y0_1 = v_99;
          const integer v_100 = sources[4];
          const integer v_101 = sources[5];
          const integer v_102 = sources[6];
          const integer v_103 = sources[7];
          place_3 = (v_100 + (v_101 * waiting_3));
          if (v_102 > 0) {
            place_3 = (v_100 + (((first + waiting_3) / v_102) % v_103));
          }
          const integer place_4 = place_3;
          const real v_104 = values[place_4];
          y1_1 = v_104;
          const integer v_105 = sources[8];
          const integer v_106 = sources[9];
          const integer v_107 = sources[10];
          const integer v_108 = sources[11];
          place_5 = (v_105 + (v_106 * waiting_3));
          if (v_107 > 0) {
            place_5 = (v_105 + (((first + waiting_3) / v_107) % v_108));
          }
          const integer place_6 = place_5;
          const real v_109 = values[place_6];
          y2_1 = v_109;
          const integer v_110 = sources[12];
          const integer v_111 = sources[13];
          const integer v_112 = sources[14];
          const integer v_113 = sources[15];
          place_7 = (v_110 + (v_111 * waiting_3));
          if (v_112 > 0) {
            place_7 = (v_110 + (((first + waiting_3) / v_112) % v_113));
          }
          const integer place_8 = place_7;
          const real v_114 = values[place_8];
          p0_1 = v_114;
          const integer v_115 = sources[16];
          const integer v_116 = sources[17];
          const integer v_117 = sources[18];
          const integer v_118 = sources[19];
          place_9 = (v_115 + (v_116 * waiting_3));
          if (v_117 > 0) {
            place_9 = (v_115 + (((first + waiting_3) / v_117) % v_118));
          }
          const integer place_10 = place_9;
          const real v_119 = values[place_10];
          p1_1 = v_119;
          const integer v_120 = sources[20];
          const integer v_121 = sources[21];
          const integer v_122 = sources[22];
          const integer v_123 = sources[23];
          place_11 = (v_120 + (v_121 * waiting_3));
          if (v_122 > 0) {
            place_11 = (v_120 + (((first + waiting_3) / v_122) % v_123));
          }
          const integer place_12 = place_11;
          const real v_124 = values[place_12];
          p2_1 = v_124;
          const integer run_4 = run_1;
          const integer v_125 = (first + run_4) * span_step;
          const double v_126 = spans[v_125];
          const double v_127 = spans[(v_125 + 1)];
          start_1 = v_126;
          span_1 = (fabs((v_127 - v_126)));
          const real v_128 = (real)((fabs(v_126)) * 1.7763568394002505e-15);
          floor_1 = ((v_128 > v_17) ? v_128 : v_17);
          elapsed_1 = 0.0;
          square_1 = 0.0;
          const integer attempts_7 = attempts_1;
          started_1 = attempts_7;
          looks_1[1] = attempts_7;
          looks_1[2] = 0;
          paces_1[0] = 0.0;
          paces_1[1] = 0.0;
          looks_1[3] = 0;
          looks_1[4] = 0;
          const integer v_129 = attempts_7 + most_attempts;
          const integer v_130 = most_attempts / 64;
          const integer v_131 = (v_130 > 1024) ? v_130 : 1024;
          const integer v_132 = looks_1[1];
          const integer v_133 = v_132 + v_131;
          looks_1[0] = (((v_129 - v_133) < v_131) ? v_129 : v_133);
          const integer deadline_4 = deadline_1;
          const integer v_134 = looks_1[0];
          deadline_1 = ((deadline_4 < v_134) ? deadline_4 : v_134);
          error_before_1 = 0.0f;
          error_earlier_1 = 0.0f;
          size_change_1 = 0.0f;
          most_growing_1 = v_34;
          fresh_1 = true;
          const double elapsed_4 = elapsed_1;
          const double start_4 = start_1;
          const double v_135 = start_4 + (v_1 * elapsed_4);
          const real y0_5 = y0_1;
          const real y1_5 = y1_1;
          const real y2_5 = y2_1;
          const real p0_3 = p0_1;
          const real p1_3 = p1_1;
          const real p2_3 = p2_1;
          const real v_136 = p0_3 * (y1_5 - y0_5);
          const real v_137 = (y0_5 * (p1_3 - y2_5)) - y1_5;
          const real v_138 = (y0_5 * y1_5) - (y2_5 * p2_3);
          const real k10_4 = k10_1;
          k10_1 = v_136;
          const real k11_4 = k11_1;
          k11_1 = v_137;
          const real k12_4 = k12_1;
          k12_1 = v_138;
          const double elapsed_5 = elapsed_1;
          const double start_5 = start_1;
          const real v_139 = (fabs(((real)(start_5 + (v_1 * elapsed_5))))) * 3.552713678800501e-15;
          const real floor_2 = floor_1;
          const real v_140 = (floor_2 > v_139) ? floor_2 : v_139;
          const real y0_6 = y0_1;
          const real y0_7 = y0_1;
          const real v_141 = (fabs(y0_6)) / (v_29 + (v_19 * (fabs(y0_7))));
          const real v_142 = (1.0 > v_141) ? 1.0 : v_141;
          const real y1_6 = y1_1;
          const real y1_7 = y1_1;
          const real v_143 = (fabs(y1_6)) / (v_30 + (v_19 * (fabs(y1_7))));
          const real v_144 = (v_142 > v_143) ? v_142 : v_143;
          const real y2_6 = y2_1;
          const real y2_7 = y2_1;
          const real v_145 = (fabs(y2_6)) / (v_31 + (v_19 * (fabs(y2_7))));
          const real y0_8 = y0_1;
          const real v_146 = (fabs(v_136)) / (v_29 + (v_19 * (fabs(y0_8))));
          const real v_147 = (1e-37 > v_146) ? 1e-37 : v_146;
          const real y1_8 = y1_1;
          const real v_148 = (fabs(v_137)) / (v_30 + (v_19 * (fabs(y1_8))));
          const real v_149 = (v_147 > v_148) ? v_147 : v_148;
          const real y2_8 = y2_1;
          const real v_150 = (fabs(v_138)) / (v_31 + (v_19 * (fabs(y2_8))));
          const real v_151 = (v_149 > v_150) ? v_149 : v_150;
          const double span_6 = span_1;
          const double elapsed_6 = elapsed_1;
          const real v_152 = ((real)(span_6 - elapsed_6)) * 0.1;
          const real v_153 = (v_152 < v_18) ? v_152 : v_18;
          const real v_154 = (((v_144 > v_145) ? v_144 : v_145) * 0.01) / v_151;
          const real v_155 = (v_154 < v_153) ? v_154 : v_153;
          const real v_156 = v_155 * v_15;
          const real y0_9 = y0_1;
          const real v_157 = y0_9 + (v_156 * v_136);
          const real y1_9 = y1_1;
          const real v_158 = y1_9 + (v_156 * v_137);
          const real y2_9 = y2_1;
          const real v_159 = y2_9 + (v_156 * v_138);
          const double elapsed_7 = elapsed_1;
          const double start_6 = start_1;
          const double v_160 = start_6 + (v_1 * (elapsed_7 + ((double)v_155)));
          const real p0_4 = p0_1;
          const real p1_4 = p1_1;
          const real p2_4 = p2_1;
          const real y0_10 = y0_1;
          const real v_161 = (fabs(((p0_4 * (v_158 - v_157)) - v_136))) / (v_29 + (v_19 * (fabs(y0_10))));
          const real v_162 = (0.0 > v_161) ? 0.0 : v_161;
          const real y1_10 = y1_1;
          const real v_163 = (fabs((((v_157 * (p1_4 - v_159)) - v_158) - v_137))) / (v_30 + (v_19 * (fabs(y1_10))));
          const real v_164 = (v_162 > v_163) ? v_162 : v_163;
          const real y2_10 = y2_1;
          const real v_165 = (fabs((((v_157 * v_158) - (v_159 * p2_4)) - v_138))) / (v_31 + (v_19 * (fabs(y2_10))));
          const real v_166 = ((v_164 > v_165) ? v_164 : v_165) / v_155;
          const real v_167 = 0.01 / ((v_166 > v_151) ? v_166 : v_151);
          const float v_168 = (float)((v_167 < 1e+30) ? v_167 : 1e+30);
          const float v_169 = quick_exp2(((quick_log2(((v_168 > 9.999999999999999e-31f) ? v_168 : 9.999999999999999e-31f))) * 0.2f));
          const real v_170 = (real)v_169;
          const real v_171 = v_155 * 100.0;
          const real v_172 = (v_170 < v_171) ? v_170 : v_171;
          const real v_173 = (v_16 > 0.0) ? ((v_16 < v_18) ? v_16 : v_18) : ((v_172 < v_153) ? v_172 : v_153);
          const real size_4 = size_1;
          size_1 = ((v_173 > v_140) ? v_173 : v_140);
          const real least_3 = least_1;
          least_1 = v_140;
          const double span_7 = span_1;
          attention_1 = (span_7 <= 0.0);
        }
      }
    }
    const integer running_4 = running_1;
    if (running_4 == 0) break;
    for (;;) {
      const double elapsed_8 = elapsed_1;
      const double span_8 = span_1;
      const real size_5 = size_1;
      const double remaining_1 = span_8 - elapsed_8;
      const bool v_174 = ((double)size_5) >= remaining_1;
      const real h_1 = v_174 ? ((real)remaining_1) : size_5;
      const double start_7 = start_1;
      const double t_1 = start_7 + (v_1 * elapsed_8);
      const real signed_h_1 = h_1 * v_15;
      const real v_175 = signed_h_1 * 0.161;
      const real y0_11 = y0_1;
      const real k10_5 = k10_1;
      const real v_176 = y0_11 + (v_175 * k10_5);
      const real y1_11 = y1_1;
      const real k11_5 = k11_1;
      const real v_177 = y1_11 + (v_175 * k11_5);
      const real y2_11 = y2_1;
      const real k12_5 = k12_1;
      const real v_178 = y2_11 + (v_175 * k12_5);
      const double v_179 = t_1 + ((double)(signed_h_1 * 0.161));
      const real p0_5 = p0_1;
      const real p1_5 = p1_1;
      const real p2_5 = p2_1;
      const real v_180 = p0_5 * (v_177 - v_176);
      const real v_181 = (v_176 * (p1_5 - v_178)) - v_177;
      const real v_182 = (v_176 * v_177) - (v_178 * p2_5);
      const real v_183 = signed_h_1 * 0.335480655492357;
      const real y0_12 = y0_1;
      const real k10_6 = k10_1;
      const real v_184 = y0_12 + (v_183 * (fma(k10_6, (-0.025279119238367523), v_180)));
      const real y1_12 = y1_1;
      const real k11_6 = k11_1;
      const real v_185 = y1_12 + (v_183 * (fma(k11_6, (-0.025279119238367523), v_181)));
      const real y2_12 = y2_1;
      const real k12_6 = k12_1;
      const real v_186 = y2_12 + (v_183 * (fma(k12_6, (-0.025279119238367523), v_182)));
      const double v_187 = t_1 + ((double)(signed_h_1 * 0.327));
      const real p0_6 = p0_1;
      const real p1_6 = p1_1;
      const real p2_6 = p2_1;
      const real v_188 = p0_6 * (v_185 - v_184);
      const real v_189 = (v_184 * (p1_6 - v_186)) - v_185;
      const real v_190 = (v_184 * v_185) - (v_186 * p2_6);
      const real v_191 = signed_h_1 * (-6.359448489975075);
      const real y0_13 = y0_1;
      const real k10_7 = k10_1;
      const real v_192 = y0_13 + (v_191 * (fma(v_188, (-0.6859549911829979), (fma(k10_7, (-0.45556671489241807), v_180)))));
      const real y1_13 = y1_1;
      const real k11_7 = k11_1;
      const real v_193 = y1_13 + (v_191 * (fma(v_189, (-0.6859549911829979), (fma(k11_7, (-0.45556671489241807), v_181)))));
      const real y2_13 = y2_1;
      const real k12_7 = k12_1;
      const real v_194 = y2_13 + (v_191 * (fma(v_190, (-0.6859549911829979), (fma(k12_7, (-0.45556671489241807), v_182)))));
      const double v_195 = t_1 + ((double)(signed_h_1 * 0.9));
      const real p0_7 = p0_1;
      const real p1_7 = p1_1;
      const real p2_7 = p2_1;
      const real v_196 = p0_7 * (v_193 - v_192);
      const real v_197 = (v_192 * (p1_7 - v_194)) - v_193;
      const real v_198 = (v_192 * v_193) - (v_194 * p2_7);
      const real v_199 = signed_h_1 * (-11.748883564062828);
      const real y0_14 = y0_1;
      const real k10_8 = k10_1;
      const real v_200 = fma(v_196, 0.007872668569520656, (fma(v_188, (-0.6379788600354329), (fma(k10_8, (-0.45330816323091927), v_180)))));
      const real v_201 = y0_14 + (v_199 * v_200);
      const real y1_14 = y1_1;
      const real k11_8 = k11_1;
      const real v_202 = fma(v_197, 0.007872668569520656, (fma(v_189, (-0.6379788600354329), (fma(k11_8, (-0.45330816323091927), v_181)))));
      const real v_203 = y1_14 + (v_199 * v_202);
      const real y2_14 = y2_1;
      const real k12_8 = k12_1;
      const real v_204 = fma(v_198, 0.007872668569520656, (fma(v_190, (-0.6379788600354329), (fma(k12_8, (-0.45330816323091927), v_182)))));
      const real v_205 = y2_14 + (v_199 * v_204);
      const double v_206 = t_1 + ((double)(signed_h_1 * 0.9800255409045097));
      const real p0_8 = p0_1;
      const real p1_8 = p1_1;
      const real p2_8 = p2_1;
      const real v_207 = p0_8 * (v_203 - v_201);
      const real v_208 = (v_201 * (p1_8 - v_205)) - v_203;
      const real v_209 = (v_201 * v_203) - (v_205 * p2_8);
      const real v_210 = signed_h_1 * (-12.92096931784711);
      const real y0_15 = y0_1;
      const real k10_9 = k10_1;
      const real v_211 = fma(v_196, 0.005540216954352189, (fma(v_188, (-0.63148264637592), (fma(k10_9, (-0.4536389878157419), v_180)))));
      const real v_212 = y0_15 + (v_210 * (fma(v_207, 0.002187842854407348, v_211)));
      const real y1_15 = y1_1;
      const real k11_9 = k11_1;
      const real v_213 = fma(v_197, 0.005540216954352189, (fma(v_189, (-0.63148264637592), (fma(k11_9, (-0.4536389878157419), v_181)))));
      const real v_214 = y1_15 + (v_210 * (fma(v_208, 0.002187842854407348, v_213)));
      const real y2_15 = y2_1;
      const real k12_9 = k12_1;
      const real v_215 = fma(v_198, 0.005540216954352189, (fma(v_190, (-0.63148264637592), (fma(k12_9, (-0.4536389878157419), v_182)))));
      const real v_216 = y2_15 + (v_210 * (fma(v_209, 0.002187842854407348, v_215)));
      const double v_217 = t_1 + ((double)signed_h_1);
      const real p0_9 = p0_1;
      const real p1_9 = p1_1;
      const real p2_9 = p2_1;
      const real v_218 = p0_9 * (v_214 - v_212);
      const real v_219 = (v_212 * (p1_9 - v_216)) - v_214;
      const real v_220 = (v_212 * v_214) - (v_216 * p2_9);
      const real v_221 = signed_h_1 * (-3.290069515436081);
      const real y0_16 = y0_1;
      const real k10_10 = k10_1;
      const real v_222 = fma(v_188, (-0.14586003370536468), (fma(v_180, (-0.003039449456336048), (fma(k10_10, (-0.029318762526292664), v_207)))));
      const real v_223 = y0_16 + (v_221 * (fma(v_218, (-0.7065840138613746), (fma(v_196, (-0.41914268608423666), v_222)))));
      const real y1_16 = y1_1;
      const real k11_10 = k11_1;
      const real v_224 = fma(v_189, (-0.14586003370536468), (fma(v_181, (-0.003039449456336048), (fma(k11_10, (-0.029318762526292664), v_208)))));
      const real v_225 = y1_16 + (v_221 * (fma(v_219, (-0.7065840138613746), (fma(v_197, (-0.41914268608423666), v_224)))));
      const real y2_16 = y2_1;
      const real k12_10 = k12_1;
      const real v_226 = fma(v_190, (-0.14586003370536468), (fma(v_182, (-0.003039449456336048), (fma(k12_10, (-0.029318762526292664), v_209)))));
      const real v_227 = y2_16 + (v_221 * (fma(v_220, (-0.7065840138613746), (fma(v_198, (-0.41914268608423666), v_226)))));
      const double v_228 = t_1 + ((double)signed_h_1);
      const real p0_10 = p0_1;
      const real p1_10 = p1_1;
      const real p2_10 = p2_1;
      const real v_229 = p0_10 * (v_225 - v_223);
      const real v_230 = (v_223 * (p1_10 - v_227)) - v_225;
      const real v_231 = (v_223 * v_225) - (v_227 * p2_10);
      const real v_232 = signed_h_1 * (-0.5823571654525552);
      const real y0_17 = y0_1;
      const real v_233 = fabs(y0_17);
      const real v_234 = fabs(v_223);
      const real v_235 = v_29 + (v_19 * ((v_233 > v_234) ? v_233 : v_234));
      const real y1_17 = y1_1;
      const real v_236 = fabs(y1_17);
      const real v_237 = fabs(v_225);
      const real v_238 = v_30 + (v_19 * ((v_236 > v_237) ? v_236 : v_237));
      const real y2_17 = y2_1;
      const real v_239 = fabs(y2_17);
      const real v_240 = fabs(v_227);
      const real v_241 = v_31 + (v_19 * ((v_239 > v_240) ? v_239 : v_240));
      const real k10_11 = k10_1;
      const real v_242 = fma(v_188, 0.013532722661938385, (fma(v_180, (-0.0014019479935861836), (fma(k10_11, (-0.003056562463419692), v_207)))));
      const real v_243 = fma(v_229, 0.02601756456407773, (fma(v_218, (-0.7865999305996468), (fma(v_196, (-0.24849184616936348), v_242)))));
      const real v_244 = ((v_232 * v_243) * v_238) * v_241;
      const real k11_11 = k11_1;
      const real v_245 = fma(v_189, 0.013532722661938385, (fma(v_181, (-0.0014019479935861836), (fma(k11_11, (-0.003056562463419692), v_208)))));
      const real v_246 = fma(v_230, 0.02601756456407773, (fma(v_219, (-0.7865999305996468), (fma(v_197, (-0.24849184616936348), v_245)))));
      const real v_247 = ((v_232 * v_246) * v_235) * v_241;
      const real k12_11 = k12_1;
      const real v_248 = fma(v_190, 0.013532722661938385, (fma(v_182, (-0.0014019479935861836), (fma(k12_11, (-0.003056562463419692), v_209)))));
      const real v_249 = fma(v_231, 0.02601756456407773, (fma(v_220, (-0.7865999305996468), (fma(v_198, (-0.24849184616936348), v_248)))));
      const real v_250 = ((v_232 * v_249) * v_235) * v_238;
      const real v_251 = (v_235 * v_238) * v_241;
      const real mean_square_1 = ((((v_244 * v_244) + (v_247 * v_247)) + (v_250 * v_250)) / (v_251 * v_251)) * 0.3333333333333333;
      checked_square_1 = mean_square_1;
      const bool v_252 = mean_square_1 < __longlong_as_double(0x7ff0000000000000);
      if ((!v_252)) {
        const real k10_12 = k10_1;
        const real v_253 = fma(v_188, 0.013532722661938385, (fma(v_180, (-0.0014019479935861836), (fma(k10_12, (-0.003056562463419692), v_207)))));
        const real v_254 = fma(v_229, 0.02601756456407773, (fma(v_218, (-0.7865999305996468), (fma(v_196, (-0.24849184616936348), v_253)))));
        const real y0_18 = y0_1;
        const real v_255 = fabs(y0_18);
        const real v_256 = fabs(v_223);
        const real v_257 = (v_232 * v_254) / (v_29 + (v_19 * ((v_255 > v_256) ? v_255 : v_256)));
        const real k11_12 = k11_1;
        const real v_258 = fma(v_189, 0.013532722661938385, (fma(v_181, (-0.0014019479935861836), (fma(k11_12, (-0.003056562463419692), v_208)))));
        const real v_259 = fma(v_230, 0.02601756456407773, (fma(v_219, (-0.7865999305996468), (fma(v_197, (-0.24849184616936348), v_258)))));
        const real y1_18 = y1_1;
        const real v_260 = fabs(y1_18);
        const real v_261 = fabs(v_225);
        const real v_262 = (v_232 * v_259) / (v_30 + (v_19 * ((v_260 > v_261) ? v_260 : v_261)));
        const real k12_12 = k12_1;
        const real v_263 = fma(v_190, 0.013532722661938385, (fma(v_182, (-0.0014019479935861836), (fma(k12_12, (-0.003056562463419692), v_209)))));
        const real v_264 = fma(v_231, 0.02601756456407773, (fma(v_220, (-0.7865999305996468), (fma(v_198, (-0.24849184616936348), v_263)))));
        const real y2_18 = y2_1;
        const real v_265 = fabs(y2_18);
        const real v_266 = fabs(v_227);
        const real v_267 = (v_232 * v_264) / (v_31 + (v_19 * ((v_265 > v_266) ? v_265 : v_266)));
        const real v_268 = v_252 ? mean_square_1 : ((((v_257 * v_257) + (v_262 * v_262)) + (v_267 * v_267)) * 0.3333333333333333);
        checked_square_1 = v_268;
      }
      const real checked_square_2 = checked_square_1;
      const bool accepted_1 = checked_square_2 <= 1.0;
      const real square_3 = square_1;
      square_1 = (accepted_1 ? square_3 : checked_square_2);
      const real y0_19 = y0_1;
      y0_1 = (accepted_1 ? v_223 : y0_19);
      const real k10_13 = k10_1;
      k10_1 = (accepted_1 ? v_229 : k10_13);
      const real y1_19 = y1_1;
      y1_1 = (accepted_1 ? v_225 : y1_19);
      const real k11_13 = k11_1;
      k11_1 = (accepted_1 ? v_230 : k11_13);
      const real y2_19 = y2_1;
      y2_1 = (accepted_1 ? v_227 : y2_19);
      const real k12_13 = k12_1;
      k12_1 = (accepted_1 ? v_231 : k12_13);
      const double v_269 = accepted_1 ? (v_174 ? span_8 : (elapsed_8 + ((double)h_1))) : elapsed_8;
      elapsed_1 = v_269;
      const float v_270 = (float)((checked_square_2 < 1000000000000.0) ? checked_square_2 : 1000000000000.0);
      const float v_271 = quick_log2(((v_270 > 1e-12f) ? v_270 : 1e-12f));
      const float error_before_2 = error_before_1;
      const float error_earlier_2 = error_earlier_1;
      const float size_change_2 = size_change_1;
      const float v_272 = v_32 - ((((float)v_11) * 0.5f) * v_271);
      const float v_273 = (((((float)v_8) * 0.5f) * error_before_2) + ((((float)v_9) * 0.5f) * error_earlier_2)) - (((float)v_10) * size_change_2);
      const float v_274 = (v_32 - ((((float)v_7) * 0.5f) * v_271)) - v_273;
      const float v_275 = v_272 + ((float)v_12);
      const float v_276 = accepted_1 ? ((v_274 < v_275) ? v_274 : v_275) : v_272;
      const float most_growing_2 = most_growing_1;
      const float v_277 = (v_276 < most_growing_2) ? v_276 : most_growing_2;
      const float v_278 = (v_277 > v_33) ? v_277 : v_33;
      error_before_1 = (accepted_1 ? v_271 : error_before_2);
      error_earlier_1 = (accepted_1 ? error_before_2 : error_earlier_2);
      size_change_1 = (v_278 + (accepted_1 ? 0.0f : size_change_2));
      most_growing_1 = (accepted_1 ? v_34 : 0.0f);
      const real v_279 = h_1 * ((real)(quick_exp2(v_278)));
      const real v_280 = (v_279 < v_18) ? v_279 : v_18;
      size_1 = v_280;
      const real least_4 = least_1;
      attention_1 = ((v_269 >= span_8) || (v_280 < least_4));
      const integer attempts_8 = attempts_1;
      const integer v_281 = attempts_8 + 1;
      attempts_1 = v_281;
      if ((v_281 & 63) == 0) {
        const integer v_282 = stop[0];
        if (v_282 != 0) return;
        const double elapsed_9 = elapsed_1;
        const double start_8 = start_1;
        const real v_283 = (fabs(((real)(start_8 + (v_1 * elapsed_9))))) * 3.552713678800501e-15;
        const real floor_3 = floor_1;
        least_1 = ((floor_3 > v_283) ? floor_3 : v_283);
      }
      const bool attention_3 = attention_1;
      const integer deadline_5 = deadline_1;
      if (attention_3 || (v_281 >= deadline_5)) break;
    }
  }
}
