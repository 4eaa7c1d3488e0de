; decay: euler, float64, 16 lanes

define i64 @emberkeep_kernel(ptr %packed, i64 %from, i64 %to) {
entry:
  %mode_before = alloca i32, align 4
  %mode = alloca i32, align 4
  call void @llvm.x86.sse.stmxcsr(ptr %mode_before)
  store i32 8064, ptr %mode, align 4
  call void @llvm.x86.sse.ldmxcsr(ptr %mode)
  %first_place = getelementptr i8, ptr %packed, i64 0
  %first = load i64, ptr %first_place, align 8
  %runs_place = getelementptr i8, ptr %packed, i64 8
  %runs = load i64, ptr %runs_place, align 8
  %share_place = getelementptr i8, ptr %packed, i64 16
  %share = load i64, ptr %share_place, align 8
  %values_place = getelementptr i8, ptr %packed, i64 24
  %values = load ptr, ptr %values_place, align 8
  %sources_place = getelementptr i8, ptr %packed, i64 32
  %sources = load ptr, ptr %sources_place, align 8
  %spans_place = getelementptr i8, ptr %packed, i64 40
  %spans = load ptr, ptr %spans_place, align 8
  %span_step_place = getelementptr i8, ptr %packed, i64 48
  %span_step = load i64, ptr %span_step_place, align 8
  %settings_place = getelementptr i8, ptr %packed, i64 56
  %settings = load ptr, ptr %settings_place, align 8
  %atol_place = getelementptr i8, ptr %packed, i64 64
  %atol = load ptr, ptr %atol_place, align 8
  %most_attempts_place = getelementptr i8, ptr %packed, i64 72
  %most_attempts = load i64, ptr %most_attempts_place, align 8
  %stop_place = getelementptr i8, ptr %packed, i64 80
  %stop = load ptr, ptr %stop_place, align 8
  %strides_place = getelementptr i8, ptr %packed, i64 88
  %strides = load ptr, ptr %strides_place, align 8
  %status_place = getelementptr i8, ptr %packed, i64 96
  %status = load ptr, ptr %status_place, align 8
  %save_count_place = getelementptr i8, ptr %packed, i64 104
  %save_count = load i64, ptr %save_count_place, align 8
  %counts_place = getelementptr i8, ptr %packed, i64 112
  %counts = load ptr, ptr %counts_place, align 8
  %sizes_place = getelementptr i8, ptr %packed, i64 120
  %sizes = load ptr, ptr %sizes_place, align 8
  %begins_place = getelementptr i8, ptr %packed, i64 128
  %begins = load ptr, ptr %begins_place, align 8
  %ends_place = getelementptr i8, ptr %packed, i64 136
  %ends = load ptr, ptr %ends_place, align 8
  %slots_place = getelementptr i8, ptr %packed, i64 144
  %slots = load ptr, ptr %slots_place, align 8
  %intervals_place = getelementptr i8, ptr %packed, i64 152
  %intervals = load i64, ptr %intervals_place, align 8
  %interval_step_place = getelementptr i8, ptr %packed, i64 160
  %interval_step = load i64, ptr %interval_step_place, align 8
  %states_place = getelementptr i8, ptr %packed, i64 168
  %states = load ptr, ptr %states_place, align 8
  %final_place = getelementptr i8, ptr %packed, i64 176
  %final = load ptr, ptr %final_place, align 8
  %work_place = getelementptr i8, ptr %packed, i64 184
  %work = load ptr, ptr %work_place, align 8
  br label %each
each:
  %index = phi i64 [ %from, %entry ], [ %next, %one ]
  %more = icmp slt i64 %index, %to
  br i1 %more, label %one, label %end
one:
  %begin = mul i64 %index, %share
  %full = add i64 %begin, %share
  %is_last = icmp sgt i64 %full, %runs
  %end_ = select i1 %is_last, i64 %runs, i64 %full
  %apart = mul i64 %index, 0
  %own = getelementptr i8, ptr %work, i64 %apart
  call void @integrate(i64 %first, i64 %runs, i64 %share, ptr %values, ptr %sources, ptr %spans, i64 %span_step, ptr %settings, ptr %atol, i64 %most_attempts, ptr %stop, ptr %strides, ptr %status, i64 %save_count, ptr %counts, ptr %sizes, ptr %begins, ptr %ends, ptr %slots, i64 %intervals, i64 %interval_step, ptr %states, ptr %final, ptr %own, i64 %begin, i64 %end_)
  %next = add i64 %index, 1
  br label %each
end:
  call void @llvm.x86.sse.ldmxcsr(ptr %mode_before)
  ret i64 0
}

define internal void @integrate(i64 %first, i64 %runs, i64 %share, ptr noalias %values, ptr noalias %sources, ptr noalias %spans, i64 %span_step, ptr noalias %settings, ptr noalias %atol, i64 %most_attempts, ptr noalias %stop, ptr noalias %strides, ptr noalias %status, i64 %save_count, ptr noalias %counts, ptr noalias %sizes, ptr noalias %begins, ptr noalias %ends, ptr noalias %slots, i64 %intervals, i64 %interval_step, ptr noalias %states, ptr noalias %final, ptr noalias %work, i64 %begin, i64 %end_) #2 {
entry:
  %x68 = alloca <16 x i64>, align 64
  %x70 = alloca <16 x double>, align 64
  %x72 = alloca <16 x double>, align 64
  %x74 = alloca <16 x double>, align 64
  %x76 = alloca <16 x double>, align 64
  %x77 = alloca <16 x double>, align 64
  %x82 = alloca <16 x i64>, align 64
  %x83 = alloca <16 x i1>, align 64
  %x84 = alloca i64, align 64
  %x85 = alloca <16 x i64>, align 64
  %x87 = alloca <16 x double>, align 64
  %x88 = alloca i64, align 64
  %x90 = alloca <16 x double>, align 64
  %x91 = alloca <16 x double>, align 64
  %x118 = alloca <16 x i64>, align 64
  %x145 = alloca <16 x i64>, align 64
  %x185 = alloca i64, align 64
  %x277 = alloca <16 x i64>, align 64
  %s36 = alloca <16 x i8>, align 64
  %s38 = alloca <16 x i64>, align 64
  %s40 = alloca <16 x i64>, align 64
  %s42 = alloca <16 x double>, align 64
  %s44 = alloca <16 x i64>, align 64
  %s46 = alloca <16 x double>, align 64
  %s48 = alloca <16 x double>, align 64
  %s50 = alloca <16 x double>, align 64
  %s52 = alloca <16 x double>, align 64
  %s146 = alloca <16 x i64>, align 64
  %s148 = alloca <16 x double>, align 64
  %s150 = alloca <16 x double>, align 64
  %s152 = alloca <16 x double>, align 64
  %s254 = alloca <16 x i64>, align 64
  %s256 = alloca <16 x i64>, align 64
  %s258 = alloca <16 x double>, align 64
  %s260 = alloca <16 x i64>, align 64
  %s294 = alloca <16 x i64>, align 64
  %s296 = alloca <16 x i64>, align 64
  %s298 = alloca <16 x i64>, align 64
  %s300 = alloca <16 x double>, align 64
  %s302 = alloca <16 x double>, align 64
  %s304 = alloca <16 x i64>, align 64
  %s306 = alloca <16 x double>, align 64
  br label %begun
begun:
  store <16 x i64> zeroinitializer, ptr %x68, align 64
  store <16 x double> zeroinitializer, ptr %x70, align 64
  store <16 x double> zeroinitializer, ptr %x72, align 64
  store <16 x double> zeroinitializer, ptr %x74, align 64
  store <16 x double> zeroinitializer, ptr %x76, align 64
  store <16 x double> zeroinitializer, ptr %x77, align 64
  store <16 x i64> zeroinitializer, ptr %x82, align 64
  store <16 x i1> zeroinitializer, ptr %x83, align 64
  store i64 zeroinitializer, ptr %x84, align 64
  store <16 x i64> zeroinitializer, ptr %x85, align 64
  store <16 x double> zeroinitializer, ptr %x87, align 64
  store i64 zeroinitializer, ptr %x88, align 64
  store <16 x double> zeroinitializer, ptr %x90, align 64
  store <16 x double> zeroinitializer, ptr %x91, align 64
  store <16 x i64> zeroinitializer, ptr %x118, align 64
  store <16 x i64> zeroinitializer, ptr %x145, align 64
  store i64 zeroinitializer, ptr %x185, align 64
  store <16 x i64> zeroinitializer, ptr %x277, align 64
  %v1 = getelementptr double, ptr %settings, i64 0
  %v2 = load double, ptr %v1
  %v3 = getelementptr double, ptr %settings, i64 1
  %v4 = load double, ptr %v3
  %v5 = getelementptr double, ptr %settings, i64 2
  %v6 = load double, ptr %v5
  %v7 = getelementptr double, ptr %settings, i64 3
  %v8 = load double, ptr %v7
  %v9 = getelementptr double, ptr %settings, i64 4
  %v10 = load double, ptr %v9
  %v11 = getelementptr double, ptr %settings, i64 5
  %v12 = load double, ptr %v11
  %v13 = getelementptr double, ptr %settings, i64 6
  %v14 = load double, ptr %v13
  %v15 = getelementptr double, ptr %settings, i64 7
  %v16 = load double, ptr %v15
  %v17 = getelementptr double, ptr %settings, i64 8
  %v18 = load double, ptr %v17
  %v19 = getelementptr double, ptr %settings, i64 9
  %v20 = load double, ptr %v19
  %v21 = getelementptr double, ptr %settings, i64 10
  %v22 = load double, ptr %v21
  %v23 = getelementptr double, ptr %settings, i64 11
  %v24 = load double, ptr %v23
  %v25 = getelementptr double, ptr %settings, i64 12
  %v26 = load double, ptr %v25
  %v27 = getelementptr double, ptr %settings, i64 13
  %v28 = load double, ptr %v27
  store <16 x i64> splat (i64 -1), ptr %x68, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x70, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x72, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x74, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x76, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x77, align 64
  %v29 = getelementptr double, ptr %atol, i64 0
  %v30 = load double, ptr %v29
  store i64 %begin, ptr %x84, align 64
  store <16 x i64> splat (i64 0), ptr %x85, align 64
  store i64 0, ptr %x88, align 64
  store <16 x i64> splat (i64 0), ptr %x82, align 64
  %v32 = select i1 true, i64 65535, i64 0
  %v33 = icmp ne i64 %v32, 0
  br i1 %v33, label %enter31, label %skip31
enter31:
  %v34 = load <16 x i1>, ptr %x83, align 64
  %v35 = zext <16 x i1> %v34 to <16 x i8>
  store <16 x i8> %v35, ptr %s36, align 64
  %v37 = load <16 x i64>, ptr %x68, align 64
  store <16 x i64> %v37, ptr %s38, align 64
  %v39 = load <16 x i64>, ptr %x118, align 64
  store <16 x i64> %v39, ptr %s40, align 64
  %v41 = load <16 x double>, ptr %x76, align 64
  store <16 x double> %v41, ptr %s42, align 64
  %v43 = load <16 x i64>, ptr %x145, align 64
  store <16 x i64> %v43, ptr %s44, align 64
  %v45 = load <16 x double>, ptr %x77, align 64
  store <16 x double> %v45, ptr %s46, align 64
  %v47 = load <16 x double>, ptr %x70, align 64
  store <16 x double> %v47, ptr %s48, align 64
  %v49 = load <16 x double>, ptr %x72, align 64
  store <16 x double> %v49, ptr %s50, align 64
  %v51 = load <16 x double>, ptr %x74, align 64
  store <16 x double> %v51, ptr %s52, align 64
  br label %each31
each31:
  %v53 = phi i64 [ %v32, %enter31 ], [ %v127, %after99 ]
  %v54 = call i64 @llvm.cttz.i64(i64 %v53, i1 true)
  %v55 = load i64, ptr %x84, align 64
  %v56 = icmp slt i64 %v55, %end_
  %v57 = zext i1 %v56 to i8
  %v58 = getelementptr i8, ptr %s36, i64 %v54
  store i8 %v57, ptr %v58
  %v59 = load i64, ptr %x84, align 64
  %v60 = sub i64 %end_, 1
  %v61 = icmp slt i64 %v59, %v60
  %v62 = select i1 %v61, i64 %v59, i64 %v60
  %v63 = getelementptr i64, ptr %s38, i64 %v54
  store i64 %v62, ptr %v63
  %v64 = getelementptr i64, ptr %sources, i64 0
  %v65 = load i64, ptr %v64
  %v66 = getelementptr i64, ptr %sources, i64 1
  %v67 = load i64, ptr %v66
  %v68 = getelementptr i64, ptr %sources, i64 2
  %v69 = load i64, ptr %v68
  %v70 = getelementptr i64, ptr %sources, i64 3
  %v71 = load i64, ptr %v70
  %v72 = mul i64 %v67, %v62
  %v73 = add i64 %v65, %v72
  %v74 = getelementptr i64, ptr %s40, i64 %v54
  store i64 %v73, ptr %v74
  %v75 = icmp sgt i64 %v69, 0
  br i1 %v75, label %then76, label %after76
then76:
  %v77 = add i64 %first, %v62
  %v78 = udiv i64 %v77, %v69
  %v79 = urem i64 %v78, %v71
  %v80 = add i64 %v65, %v79
  %v81 = getelementptr i64, ptr %s40, i64 %v54
  store i64 %v80, ptr %v81
  br label %after76
after76:
  %v82 = getelementptr i64, ptr %s40, i64 %v54
  %v83 = load i64, ptr %v82
  %v84 = getelementptr double, ptr %values, i64 %v83
  %v85 = load double, ptr %v84
  %v86 = getelementptr double, ptr %s42, i64 %v54
  store double %v85, ptr %v86
  %v87 = getelementptr i64, ptr %sources, i64 4
  %v88 = load i64, ptr %v87
  %v89 = getelementptr i64, ptr %sources, i64 5
  %v90 = load i64, ptr %v89
  %v91 = getelementptr i64, ptr %sources, i64 6
  %v92 = load i64, ptr %v91
  %v93 = getelementptr i64, ptr %sources, i64 7
  %v94 = load i64, ptr %v93
  %v95 = mul i64 %v90, %v62
  %v96 = add i64 %v88, %v95
  %v97 = getelementptr i64, ptr %s44, i64 %v54
  store i64 %v96, ptr %v97
  %v98 = icmp sgt i64 %v92, 0
  br i1 %v98, label %then99, label %after99
then99:
  %v100 = add i64 %first, %v62
  %v101 = udiv i64 %v100, %v92
  %v102 = urem i64 %v101, %v94
  %v103 = add i64 %v88, %v102
  %v104 = getelementptr i64, ptr %s44, i64 %v54
  store i64 %v103, ptr %v104
  br label %after99
after99:
  %v105 = getelementptr i64, ptr %s44, i64 %v54
  %v106 = load i64, ptr %v105
  %v107 = getelementptr double, ptr %values, i64 %v106
  %v108 = load double, ptr %v107
  %v109 = getelementptr double, ptr %s46, i64 %v54
  store double %v108, ptr %v109
  %v110 = getelementptr i64, ptr %s38, i64 %v54
  %v111 = load i64, ptr %v110
  %v112 = add i64 %first, %v111
  %v113 = mul i64 %v112, %span_step
  %v114 = getelementptr double, ptr %spans, i64 %v113
  %v115 = load double, ptr %v114
  %v116 = add i64 %v113, 1
  %v117 = getelementptr double, ptr %spans, i64 %v116
  %v118 = load double, ptr %v117
  %v119 = getelementptr double, ptr %s48, i64 %v54
  store double %v115, ptr %v119
  %v120 = fsub contract nsz arcp double %v118, %v115
  %v121 = call double @llvm.fabs.f64(double %v120)
  %v122 = getelementptr double, ptr %s50, i64 %v54
  store double %v121, ptr %v122
  %v123 = getelementptr double, ptr %s52, i64 %v54
  store double %v6, ptr %v123
  %v124 = load i64, ptr %x84, align 64
  %v125 = add i64 %v124, 1
  store i64 %v125, ptr %x84, align 64
  %v126 = add i64 %v53, -1
  %v127 = and i64 %v53, %v126
  %v128 = icmp eq i64 %v127, 0
  br i1 %v128, label %after31, label %each31
after31:
  %v129 = load <16 x i8>, ptr %s36, align 64
  %v130 = trunc <16 x i8> %v129 to <16 x i1>
  store <16 x i1> %v130, ptr %x83, align 64
  %v131 = load <16 x i64>, ptr %s38, align 64
  store <16 x i64> %v131, ptr %x68, align 64
  %v132 = load <16 x i64>, ptr %s40, align 64
  store <16 x i64> %v132, ptr %x118, align 64
  %v133 = load <16 x double>, ptr %s42, align 64
  store <16 x double> %v133, ptr %x76, align 64
  %v134 = load <16 x i64>, ptr %s44, align 64
  store <16 x i64> %v134, ptr %x145, align 64
  %v135 = load <16 x double>, ptr %s46, align 64
  store <16 x double> %v135, ptr %x77, align 64
  %v136 = load <16 x double>, ptr %s48, align 64
  store <16 x double> %v136, ptr %x70, align 64
  %v137 = load <16 x double>, ptr %s50, align 64
  store <16 x double> %v137, ptr %x72, align 64
  %v138 = load <16 x double>, ptr %s52, align 64
  store <16 x double> %v138, ptr %x74, align 64
  br label %skip31
skip31:
  br label %count139
count139:
  %v140 = phi i64 [ 0, %skip31 ], [ %v287, %after238 ]
  %v141 = icmp slt i64 %v140, %intervals
  br i1 %v141, label %counted139, label %done139
counted139:
  %v143 = select i1 true, i64 65535, i64 0
  %v144 = icmp ne i64 %v143, 0
  br i1 %v144, label %enter142, label %skip142
enter142:
  %v145 = load <16 x i64>, ptr %x68, align 64
  store <16 x i64> %v145, ptr %s146, align 64
  %v147 = load <16 x double>, ptr %x87, align 64
  store <16 x double> %v147, ptr %s148, align 64
  %v149 = load <16 x double>, ptr %x90, align 64
  store <16 x double> %v149, ptr %s150, align 64
  %v151 = load <16 x double>, ptr %x91, align 64
  store <16 x double> %v151, ptr %s152, align 64
  br label %each142
each142:
  %v153 = phi i64 [ %v143, %enter142 ], [ %v170, %each142 ]
  %v154 = call i64 @llvm.cttz.i64(i64 %v153, i1 true)
  %v155 = getelementptr i64, ptr %s146, i64 %v154
  %v156 = load i64, ptr %v155
  %v157 = add i64 %first, %v156
  %v158 = mul i64 %v157, %interval_step
  %v159 = add i64 %v158, %v140
  %v160 = getelementptr double, ptr %sizes, i64 %v159
  %v161 = load double, ptr %v160
  %v162 = getelementptr double, ptr %s148, i64 %v154
  store double %v161, ptr %v162
  %v163 = getelementptr double, ptr %begins, i64 %v159
  %v164 = load double, ptr %v163
  %v165 = getelementptr double, ptr %s150, i64 %v154
  store double %v164, ptr %v165
  %v166 = getelementptr double, ptr %ends, i64 %v159
  %v167 = load double, ptr %v166
  %v168 = getelementptr double, ptr %s152, i64 %v154
  store double %v167, ptr %v168
  %v169 = add i64 %v153, -1
  %v170 = and i64 %v153, %v169
  %v171 = icmp eq i64 %v170, 0
  br i1 %v171, label %after142, label %each142
after142:
  %v172 = load <16 x double>, ptr %s148, align 64
  store <16 x double> %v172, ptr %x87, align 64
  %v173 = load <16 x double>, ptr %s150, align 64
  store <16 x double> %v173, ptr %x90, align 64
  %v174 = load <16 x double>, ptr %s152, align 64
  store <16 x double> %v174, ptr %x91, align 64
  br label %skip142
skip142:
  %v175 = load <16 x double>, ptr %x87, align 64
  %v176 = load <16 x double>, ptr %x90, align 64
  %v177 = insertelement <16 x double> poison, double %v2, i64 0
  %v178 = shufflevector <16 x double> %v177, <16 x double> poison, <16 x i32> zeroinitializer
  %v179 = fmul contract nsz arcp <16 x double> %v175, %v178
  store i64 0, ptr %x185, align 64
  br label %loop180
loop180:
  %v181 = getelementptr i64, ptr %counts, i64 %v140
  %v182 = load i64, ptr %v181
  %v183 = load i64, ptr %x185, align 64
  %v184 = sub i64 %v182, %v183
  %v185 = icmp sle i64 %v184, 0
  br i1 %v185, label %left180, label %stay186
stay186:
  %v187 = getelementptr i64, ptr %stop, i64 0
  %v188 = load volatile i64, ptr %v187
  %v189 = icmp ne i64 %v188, 0
  br i1 %v189, label %end, label %on190
on190:
  %v191 = icmp slt i64 %v184, 256
  %v192 = select i1 %v191, i64 %v184, i64 256
  br label %count193
count193:
  %v194 = phi i64 [ 0, %on190 ], [ %v215, %counted193 ]
  %v195 = icmp slt i64 %v194, %v192
  br i1 %v195, label %counted193, label %done193
counted193:
  %v196 = load i64, ptr %x185, align 64
  %v197 = add i64 %v196, %v194
  %v198 = sitofp i64 %v197 to double
  %v199 = insertelement <16 x double> poison, double %v198, i64 0
  %v200 = shufflevector <16 x double> %v199, <16 x double> poison, <16 x i32> zeroinitializer
  %v201 = fmul contract nsz arcp <16 x double> %v200, %v175
  %v202 = fadd contract nsz arcp <16 x double> %v176, %v201
  %v203 = load <16 x double>, ptr %x70, align 64
  %v204 = insertelement <16 x double> poison, double %v2, i64 0
  %v205 = shufflevector <16 x double> %v204, <16 x double> poison, <16 x i32> zeroinitializer
  %v206 = fmul contract nsz arcp <16 x double> %v205, %v202
  %v207 = fadd contract nsz arcp <16 x double> %v203, %v206
  %v208 = load <16 x double>, ptr %x76, align 64
  %v209 = load <16 x double>, ptr %x77, align 64
  %v210 = fneg contract nsz arcp <16 x double> %v209
  %v211 = fmul contract nsz arcp <16 x double> %v208, %v210
  %v212 = load <16 x double>, ptr %x76, align 64
  %v213 = fmul contract nsz arcp <16 x double> %v179, %v211
  %v214 = fadd contract nsz arcp <16 x double> %v212, %v213
  store <16 x double> %v214, ptr %x76, align 64
  %v215 = add nsw i64 %v194, 1
  br label %count193, !llvm.loop !0
done193:
  %v216 = load i64, ptr %x185, align 64
  %v217 = add i64 %v216, %v192
  store i64 %v217, ptr %x185, align 64
  br label %loop180
left180:
  %v218 = load <16 x double>, ptr %x76, align 64
  %v219 = fmul contract nsz arcp <16 x double> %v218, splat (double 0x0000000000000000)
  %v220 = fcmp oeq <16 x double> %v219, splat (double 0x0000000000000000)
  %v221 = load <16 x i64>, ptr %x85, align 64
  %v222 = select <16 x i1> %v220, <16 x i64> %v221, <16 x i64> splat (i64 2)
  store <16 x i64> %v222, ptr %x85, align 64
  %v223 = getelementptr i64, ptr %counts, i64 %v140
  %v224 = load i64, ptr %v223
  %v225 = load i64, ptr %x88, align 64
  %v226 = add i64 %v225, %v224
  store i64 %v226, ptr %x88, align 64
  %v227 = load <16 x double>, ptr %x90, align 64
  %v228 = sitofp i64 %v224 to double
  %v229 = load <16 x double>, ptr %x87, align 64
  %v230 = insertelement <16 x double> poison, double %v228, i64 0
  %v231 = shufflevector <16 x double> %v230, <16 x double> poison, <16 x i32> zeroinitializer
  %v232 = fmul contract nsz arcp <16 x double> %v231, %v229
  %v233 = fadd contract nsz arcp <16 x double> %v227, %v232
  %v234 = load <16 x i1>, ptr %x83, align 64
  %v235 = getelementptr i64, ptr %slots, i64 %v140
  %v236 = load i64, ptr %v235
  %v237 = icmp sge i64 %v236, 0
  br i1 %v237, label %then238, label %after238
then238:
  %v239 = load <16 x double>, ptr %x91, align 64
  %v240 = load <16 x double>, ptr %x70, align 64
  %v241 = insertelement <16 x double> poison, double %v2, i64 0
  %v242 = shufflevector <16 x double> %v241, <16 x double> poison, <16 x i32> zeroinitializer
  %v243 = fmul contract nsz arcp <16 x double> %v242, %v239
  %v244 = fadd contract nsz arcp <16 x double> %v240, %v243
  %v245 = load <16 x i64>, ptr %x85, align 64
  %v246 = icmp eq <16 x i64> %v245, splat (i64 0)
  %v247 = load <16 x i64>, ptr %x82, align 64
  %v248 = load <16 x i1>, ptr %x83, align 64
  %v249 = and <16 x i1> %v248, %v246
  %v251 = bitcast <16 x i1> %v249 to i16
  %v252 = zext i16 %v251 to i64
  %v253 = icmp ne i64 %v252, 0
  br i1 %v253, label %enter250, label %skip250
enter250:
  store <16 x i64> %v247, ptr %s254, align 64
  %v255 = load <16 x i64>, ptr %x68, align 64
  store <16 x i64> %v255, ptr %s256, align 64
  %v257 = load <16 x double>, ptr %x76, align 64
  store <16 x double> %v257, ptr %s258, align 64
  %v259 = load <16 x i64>, ptr %x82, align 64
  store <16 x i64> %v259, ptr %s260, align 64
  br label %each250
each250:
  %v261 = phi i64 [ %v252, %enter250 ], [ %v284, %each250 ]
  %v262 = call i64 @llvm.cttz.i64(i64 %v261, i1 true)
  %v263 = getelementptr i64, ptr %s254, i64 %v262
  %v264 = load i64, ptr %v263
  %v265 = getelementptr i64, ptr %s256, i64 %v262
  %v266 = load i64, ptr %v265
  %v267 = getelementptr i64, ptr %strides, i64 1
  %v268 = load i64, ptr %v267
  %v269 = mul i64 %v266, %v268
  %v270 = getelementptr i64, ptr %strides, i64 2
  %v271 = load i64, ptr %v270
  %v272 = mul i64 %v264, %v271
  %v273 = add i64 %v269, %v272
  %v274 = getelementptr i64, ptr %strides, i64 3
  %v275 = load i64, ptr %v274
  %v276 = getelementptr double, ptr %s258, i64 %v262
  %v277 = load double, ptr %v276
  %v278 = getelementptr double, ptr %states, i64 %v273
  store double %v277, ptr %v278
  %v279 = getelementptr i64, ptr %s260, i64 %v262
  %v280 = load i64, ptr %v279
  %v281 = add i64 %v280, 1
  %v282 = getelementptr i64, ptr %s260, i64 %v262
  store i64 %v281, ptr %v282
  %v283 = add i64 %v261, -1
  %v284 = and i64 %v261, %v283
  %v285 = icmp eq i64 %v284, 0
  br i1 %v285, label %after250, label %each250
after250:
  %v286 = load <16 x i64>, ptr %s260, align 64
  store <16 x i64> %v286, ptr %x82, align 64
  br label %skip250
skip250:
  br label %after238
after238:
  %v287 = add nsw i64 %v140, 1
  br label %count139, !llvm.loop !0
done139:
  %v288 = load <16 x i1>, ptr %x83, align 64
  %v290 = bitcast <16 x i1> %v288 to i16
  %v291 = zext i16 %v290 to i64
  %v292 = icmp ne i64 %v291, 0
  br i1 %v292, label %enter289, label %skip289
enter289:
  %v293 = load <16 x i64>, ptr %x82, align 64
  store <16 x i64> %v293, ptr %s294, align 64
  %v295 = load <16 x i64>, ptr %x85, align 64
  store <16 x i64> %v295, ptr %s296, align 64
  %v297 = load <16 x i64>, ptr %x68, align 64
  store <16 x i64> %v297, ptr %s298, align 64
  %v299 = load <16 x double>, ptr %x72, align 64
  store <16 x double> %v299, ptr %s300, align 64
  %v301 = load <16 x double>, ptr %x70, align 64
  store <16 x double> %v301, ptr %s302, align 64
  %v303 = load <16 x i64>, ptr %x277, align 64
  store <16 x i64> %v303, ptr %s304, align 64
  %v305 = load <16 x double>, ptr %x76, align 64
  store <16 x double> %v305, ptr %s306, align 64
  br label %each289
each289:
  %v307 = phi i64 [ %v291, %enter289 ], [ %v361, %after350 ]
  %v308 = call i64 @llvm.cttz.i64(i64 %v307, i1 true)
  %v309 = getelementptr i64, ptr %s294, i64 %v308
  %v310 = load i64, ptr %v309
  %v311 = getelementptr i64, ptr %s296, i64 %v308
  %v312 = load i64, ptr %v311
  %v313 = load i64, ptr %x88, align 64
  %v314 = getelementptr i64, ptr %s298, i64 %v308
  %v315 = load i64, ptr %v314
  %v316 = trunc i64 %v312 to i8
  %v317 = getelementptr i8, ptr %status, i64 %v315
  store i8 %v316, ptr %v317
  %v318 = icmp eq i64 %v312, 0
  %v319 = getelementptr double, ptr %s300, i64 %v308
  %v320 = load double, ptr %v319
  %v321 = getelementptr double, ptr %s302, i64 %v308
  %v322 = load double, ptr %v321
  %v323 = fmul contract nsz arcp double %v2, %v320
  %v324 = fadd contract nsz arcp double %v322, %v323
  %v325 = getelementptr i64, ptr %s304, i64 %v308
  store i64 %v310, ptr %v325
  br label %loop326
loop326:
  %v327 = getelementptr i64, ptr %s304, i64 %v308
  %v328 = load i64, ptr %v327
  %v329 = icmp sge i64 %v328, %save_count
  br i1 %v329, label %left326, label %stay330
stay330:
  %v331 = getelementptr i64, ptr %s304, i64 %v308
  %v332 = load i64, ptr %v331
  %v333 = getelementptr i64, ptr %strides, i64 1
  %v334 = load i64, ptr %v333
  %v335 = mul i64 %v315, %v334
  %v336 = getelementptr i64, ptr %strides, i64 2
  %v337 = load i64, ptr %v336
  %v338 = mul i64 %v332, %v337
  %v339 = add i64 %v335, %v338
  %v340 = getelementptr i64, ptr %strides, i64 3
  %v341 = load i64, ptr %v340
  %v342 = getelementptr double, ptr %states, i64 %v339
  store double 0x7FF8000000000000, ptr %v342
  %v343 = getelementptr i64, ptr %s304, i64 %v308
  %v344 = load i64, ptr %v343
  %v345 = add i64 %v344, 1
  %v346 = getelementptr i64, ptr %s304, i64 %v308
  store i64 %v345, ptr %v346
  br label %loop326
left326:
  %v347 = getelementptr i64, ptr %strides, i64 0
  %v348 = load i64, ptr %v347
  %v349 = icmp ne i64 %v348, 0
  br i1 %v349, label %then350, label %after350
then350:
  %v351 = getelementptr i64, ptr %strides, i64 4
  %v352 = load i64, ptr %v351
  %v353 = mul i64 %v315, %v352
  %v354 = getelementptr i64, ptr %strides, i64 5
  %v355 = load i64, ptr %v354
  %v356 = getelementptr double, ptr %s306, i64 %v308
  %v357 = load double, ptr %v356
  %v358 = select i1 %v318, double %v357, double 0x7FF8000000000000
  %v359 = getelementptr double, ptr %final, i64 %v353
  store double %v358, ptr %v359
  br label %after350
after350:
  %v360 = add i64 %v307, -1
  %v361 = and i64 %v307, %v360
  %v362 = icmp eq i64 %v361, 0
  br i1 %v362, label %after289, label %each289
after289:
  %v363 = load <16 x i64>, ptr %s304, align 64
  store <16 x i64> %v363, ptr %x277, align 64
  br label %skip289
skip289:
  br label %end
end:
  ret void
}


declare i64 @llvm.cttz.i64(i64, i1)
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
declare double @llvm.fabs.f64(double)

attributes #0 = { nounwind willreturn memory(none) }
attributes #1 = { noinline nounwind "prefer-vector-width"="256" "min-legal-vector-width"="256" }
attributes #2 = { noinline nounwind "prefer-vector-width"="256" "min-legal-vector-width"="256" }
!0 = distinct !{!0, !1, !2}
!1 = !{!"llvm.loop.unroll.disable"}
!2 = !{!"llvm.loop.vectorize.enable", i1 false}
!3 = distinct !{!3, !1}
