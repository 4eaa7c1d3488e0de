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
  %status_place = getelementptr i8, ptr %packed, i64 88
  %status = load ptr, ptr %status_place, align 8
  %counts_place = getelementptr i8, ptr %packed, i64 96
  %counts = load ptr, ptr %counts_place, align 8
  %sizes_place = getelementptr i8, ptr %packed, i64 104
  %sizes = load ptr, ptr %sizes_place, align 8
  %begins_place = getelementptr i8, ptr %packed, i64 112
  %begins = load ptr, ptr %begins_place, align 8
  %slots_place = getelementptr i8, ptr %packed, i64 120
  %slots = load ptr, ptr %slots_place, align 8
  %intervals_place = getelementptr i8, ptr %packed, i64 128
  %intervals = load i64, ptr %intervals_place, align 8
  %interval_step_place = getelementptr i8, ptr %packed, i64 136
  %interval_step = load i64, ptr %interval_step_place, align 8
  %states_place = getelementptr i8, ptr %packed, i64 144
  %states = load ptr, ptr %states_place, align 8
  %states_steps_place = getelementptr i8, ptr %packed, i64 152
  %states_steps = load ptr, ptr %states_steps_place, align 8
  %final_place = getelementptr i8, ptr %packed, i64 160
  %final = load ptr, ptr %final_place, align 8
  %final_steps_place = getelementptr i8, ptr %packed, i64 168
  %final_steps = load ptr, ptr %final_steps_place, align 8
  %work_place = getelementptr i8, ptr %packed, i64 176
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
  call void @integrate(i64 %first, i64 %runs, i64 %share, ptr %values, ptr %sources, ptr %spans, i64 %span_step, ptr %settings, ptr %atol, i64 %most_attempts, ptr %stop, ptr %status, ptr %counts, ptr %sizes, ptr %begins, ptr %slots, i64 %intervals, i64 %interval_step, ptr %states, ptr %states_steps, ptr %final, ptr %final_steps, ptr %own, i64 %begin, i64 %end_)
  %next = add i64 %index, 1
  br label %each
end:
  call void @llvm.x86.sse.ldmxcsr(ptr %mode_before)
  ret i64 0
}

define internal void @integrate(i64 %first, i64 %runs, i64 %share, ptr noalias %values, ptr noalias %sources, ptr noalias %spans, i64 %span_step, ptr noalias %settings, ptr noalias %atol, i64 %most_attempts, ptr noalias %stop, ptr noalias %status, ptr noalias %counts, ptr noalias %sizes, ptr noalias %begins, ptr noalias %slots, i64 %intervals, i64 %interval_step, ptr noalias %states, ptr noalias %states_steps, ptr noalias %final, ptr noalias %final_steps, ptr noalias %work, i64 %begin, i64 %end_) #2 {
entry:
  %x67 = alloca <16 x i64>, align 64
  %x69 = alloca <16 x double>, align 64
  %x71 = alloca <16 x double>, align 64
  %x73 = alloca <16 x double>, align 64
  %x75 = alloca <16 x double>, align 64
  %x76 = alloca <16 x double>, align 64
  %x81 = alloca <16 x i1>, align 64
  %x82 = alloca i64, align 64
  %x83 = alloca <16 x i64>, align 64
  %x85 = alloca <16 x double>, align 64
  %x86 = alloca i64, align 64
  %x88 = alloca <16 x double>, align 64
  %x114 = alloca <16 x i64>, align 64
  %x141 = alloca <16 x i64>, align 64
  %s36 = alloca <16 x i8>, align 64
  %s38 = alloca <16 x i64>, align 64
  %s40 = alloca <16 x i64>, align 64
  %s42 = alloca <16 x double>, align 64
  %s44 = alloca <16 x i64>, align 64
  %s46 = alloca <16 x double>, align 64
  %s48 = alloca <16 x double>, align 64
  %s50 = alloca <16 x double>, align 64
  %s52 = alloca <16 x double>, align 64
  %s143 = alloca <16 x i64>, align 64
  %s145 = alloca <16 x double>, align 64
  %s147 = alloca <16 x double>, align 64
  %s206 = alloca <16 x double>, align 64
  %s208 = alloca <16 x i64>, align 64
  %s210 = alloca <16 x i64>, align 64
  %s212 = alloca <16 x double>, align 64
  %s283 = alloca <16 x i64>, align 64
  %s285 = alloca <16 x i64>, align 64
  %s287 = alloca <16 x double>, align 64
  %s289 = alloca <16 x double>, align 64
  %s291 = alloca <16 x double>, align 64
  br label %begun
begun:
  store <16 x i64> zeroinitializer, ptr %x67, align 64
  store <16 x double> zeroinitializer, ptr %x69, align 64
  store <16 x double> zeroinitializer, ptr %x71, align 64
  store <16 x double> zeroinitializer, ptr %x73, align 64
  store <16 x double> zeroinitializer, ptr %x75, align 64
  store <16 x double> zeroinitializer, ptr %x76, align 64
  store <16 x i1> zeroinitializer, ptr %x81, align 64
  store i64 zeroinitializer, ptr %x82, align 64
  store <16 x i64> zeroinitializer, ptr %x83, align 64
  store <16 x double> zeroinitializer, ptr %x85, align 64
  store i64 zeroinitializer, ptr %x86, align 64
  store <16 x double> zeroinitializer, ptr %x88, align 64
  store <16 x i64> zeroinitializer, ptr %x114, align 64
  store <16 x i64> zeroinitializer, ptr %x141, align 64
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
  store <16 x i64> splat (i64 -1), ptr %x67, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x69, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x71, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x73, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x75, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x76, align 64
  %v29 = getelementptr double, ptr %atol, i64 0
  %v30 = load double, ptr %v29
  store i64 %begin, ptr %x82, align 64
  store <16 x i64> splat (i64 0), ptr %x83, align 64
  store i64 0, ptr %x86, align 64
  %v32 = select i1 true, i64 65535, i64 0
  %v33 = icmp ne i64 %v32, 0
  br i1 %v33, label %enter31, label %skip31
enter31:
  %v34 = load <16 x i1>, ptr %x81, align 64
  %v35 = zext <16 x i1> %v34 to <16 x i8>
  store <16 x i8> %v35, ptr %s36, align 64
  %v37 = load <16 x i64>, ptr %x67, align 64
  store <16 x i64> %v37, ptr %s38, align 64
  %v39 = load <16 x i64>, ptr %x114, align 64
  store <16 x i64> %v39, ptr %s40, align 64
  %v41 = load <16 x double>, ptr %x75, align 64
  store <16 x double> %v41, ptr %s42, align 64
  %v43 = load <16 x i64>, ptr %x141, align 64
  store <16 x i64> %v43, ptr %s44, align 64
  %v45 = load <16 x double>, ptr %x76, align 64
  store <16 x double> %v45, ptr %s46, align 64
  %v47 = load <16 x double>, ptr %x69, align 64
  store <16 x double> %v47, ptr %s48, align 64
  %v49 = load <16 x double>, ptr %x71, align 64
  store <16 x double> %v49, ptr %s50, align 64
  %v51 = load <16 x double>, ptr %x73, align 64
  store <16 x double> %v51, ptr %s52, align 64
  br label %each31
each31:
  %v53 = phi i64 [ %v32, %enter31 ], [ %v124, %after99 ]
  %v54 = call i64 @llvm.cttz.i64(i64 %v53, i1 true)
  %v55 = load i64, ptr %x82, align 64
  %v56 = icmp slt i64 %v55, %end_
  %v57 = zext i1 %v56 to i8
  %v58 = getelementptr i8, ptr %s36, i64 %v54
  store i8 %v57, ptr %v58
  %v59 = load i64, ptr %x82, align 64
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
  %v110 = mul i64 %v62, %span_step
  %v111 = getelementptr double, ptr %spans, i64 %v110
  %v112 = load double, ptr %v111
  %v113 = add i64 %v110, 1
  %v114 = getelementptr double, ptr %spans, i64 %v113
  %v115 = load double, ptr %v114
  %v116 = getelementptr double, ptr %s48, i64 %v54
  store double %v112, ptr %v116
  %v117 = fsub contract nsz arcp double %v115, %v112
  %v118 = call double @llvm.fabs.f64(double %v117)
  %v119 = getelementptr double, ptr %s50, i64 %v54
  store double %v118, ptr %v119
  %v120 = getelementptr double, ptr %s52, i64 %v54
  store double %v6, ptr %v120
  %v121 = load i64, ptr %x82, align 64
  %v122 = add i64 %v121, 1
  store i64 %v122, ptr %x82, align 64
  %v123 = add i64 %v53, -1
  %v124 = and i64 %v53, %v123
  %v125 = icmp eq i64 %v124, 0
  br i1 %v125, label %after31, label %each31
after31:
  %v126 = load <16 x i8>, ptr %s36, align 64
  %v127 = trunc <16 x i8> %v126 to <16 x i1>
  store <16 x i1> %v127, ptr %x81, align 64
  %v128 = load <16 x i64>, ptr %s38, align 64
  store <16 x i64> %v128, ptr %x67, align 64
  %v129 = load <16 x i64>, ptr %s40, align 64
  store <16 x i64> %v129, ptr %x114, align 64
  %v130 = load <16 x double>, ptr %s42, align 64
  store <16 x double> %v130, ptr %x75, align 64
  %v131 = load <16 x i64>, ptr %s44, align 64
  store <16 x i64> %v131, ptr %x141, align 64
  %v132 = load <16 x double>, ptr %s46, align 64
  store <16 x double> %v132, ptr %x76, align 64
  %v133 = load <16 x double>, ptr %s48, align 64
  store <16 x double> %v133, ptr %x69, align 64
  %v134 = load <16 x double>, ptr %s50, align 64
  store <16 x double> %v134, ptr %x71, align 64
  %v135 = load <16 x double>, ptr %s52, align 64
  store <16 x double> %v135, ptr %x73, align 64
  br label %skip31
skip31:
  br label %count136
count136:
  %v137 = phi i64 [ 0, %skip31 ], [ %v276, %skip201 ]
  %v138 = icmp slt i64 %v137, %intervals
  br i1 %v138, label %counted136, label %done136
counted136:
  %v140 = select i1 true, i64 65535, i64 0
  %v141 = icmp ne i64 %v140, 0
  br i1 %v141, label %enter139, label %skip139
enter139:
  %v142 = load <16 x i64>, ptr %x67, align 64
  store <16 x i64> %v142, ptr %s143, align 64
  %v144 = load <16 x double>, ptr %x85, align 64
  store <16 x double> %v144, ptr %s145, align 64
  %v146 = load <16 x double>, ptr %x88, align 64
  store <16 x double> %v146, ptr %s147, align 64
  br label %each139
each139:
  %v148 = phi i64 [ %v140, %enter139 ], [ %v161, %each139 ]
  %v149 = call i64 @llvm.cttz.i64(i64 %v148, i1 true)
  %v150 = getelementptr i64, ptr %s143, i64 %v149
  %v151 = load i64, ptr %v150
  %v152 = mul i64 %v151, %interval_step
  %v153 = add i64 %v152, %v137
  %v154 = getelementptr double, ptr %sizes, i64 %v153
  %v155 = load double, ptr %v154
  %v156 = getelementptr double, ptr %s145, i64 %v149
  store double %v155, ptr %v156
  %v157 = getelementptr double, ptr %begins, i64 %v153
  %v158 = load double, ptr %v157
  %v159 = getelementptr double, ptr %s147, i64 %v149
  store double %v158, ptr %v159
  %v160 = add i64 %v148, -1
  %v161 = and i64 %v148, %v160
  %v162 = icmp eq i64 %v161, 0
  br i1 %v162, label %after139, label %each139
after139:
  %v163 = load <16 x double>, ptr %s145, align 64
  store <16 x double> %v163, ptr %x85, align 64
  %v164 = load <16 x double>, ptr %s147, align 64
  store <16 x double> %v164, ptr %x88, align 64
  br label %skip139
skip139:
  %v165 = load <16 x double>, ptr %x85, align 64
  %v166 = load <16 x double>, ptr %x88, align 64
  %v167 = insertelement <16 x double> poison, double %v2, i64 0
  %v168 = shufflevector <16 x double> %v167, <16 x double> poison, <16 x i32> zeroinitializer
  %v169 = fmul contract nsz arcp <16 x double> %v165, %v168
  %v170 = getelementptr i64, ptr %counts, i64 %v137
  %v171 = load i64, ptr %v170
  br label %count172
count172:
  %v173 = phi i64 [ 0, %skip139 ], [ %v199, %after194 ]
  %v174 = icmp slt i64 %v173, %v171
  br i1 %v174, label %counted172, label %done172
counted172:
  %v175 = sitofp i64 %v173 to double
  %v176 = insertelement <16 x double> poison, double %v175, i64 0
  %v177 = shufflevector <16 x double> %v176, <16 x double> poison, <16 x i32> zeroinitializer
  %v178 = fmul contract nsz arcp <16 x double> %v177, %v165
  %v179 = fadd contract nsz arcp <16 x double> %v166, %v178
  %v180 = load <16 x double>, ptr %x69, align 64
  %v181 = insertelement <16 x double> poison, double %v2, i64 0
  %v182 = shufflevector <16 x double> %v181, <16 x double> poison, <16 x i32> zeroinitializer
  %v183 = fmul contract nsz arcp <16 x double> %v182, %v179
  %v184 = fadd contract nsz arcp <16 x double> %v180, %v183
  %v185 = load <16 x double>, ptr %x75, align 64
  %v186 = load <16 x double>, ptr %x76, align 64
  %v187 = fneg contract nsz arcp <16 x double> %v186
  %v188 = fmul contract nsz arcp <16 x double> %v185, %v187
  %v189 = load <16 x double>, ptr %x75, align 64
  %v190 = fmul contract nsz arcp <16 x double> %v169, %v188
  %v191 = fadd contract nsz arcp <16 x double> %v189, %v190
  store <16 x double> %v191, ptr %x75, align 64
  %v192 = and i64 %v173, 255
  %v193 = icmp eq i64 %v192, 0
  br i1 %v193, label %then194, label %after194
then194:
  %v195 = getelementptr i64, ptr %stop, i64 0
  %v196 = load volatile i64, ptr %v195
  %v197 = icmp ne i64 %v196, 0
  br i1 %v197, label %end, label %on198
on198:
  br label %after194
after194:
  %v199 = add nsw i64 %v173, 1
  br label %count172, !llvm.loop !0
done172:
  %v200 = load <16 x i1>, ptr %x81, align 64
  %v202 = bitcast <16 x i1> %v200 to i16
  %v203 = zext i16 %v202 to i64
  %v204 = icmp ne i64 %v203, 0
  br i1 %v204, label %enter201, label %skip201
enter201:
  %v205 = load <16 x double>, ptr %x75, align 64
  store <16 x double> %v205, ptr %s206, align 64
  %v207 = load <16 x i64>, ptr %x83, align 64
  store <16 x i64> %v207, ptr %s208, align 64
  %v209 = load <16 x i64>, ptr %x67, align 64
  store <16 x i64> %v209, ptr %s210, align 64
  %v211 = load <16 x double>, ptr %x69, align 64
  store <16 x double> %v211, ptr %s212, align 64
  br label %each201
each201:
  %v213 = phi i64 [ %v203, %enter201 ], [ %v273, %after226 ]
  %v214 = call i64 @llvm.cttz.i64(i64 %v213, i1 true)
  %v215 = getelementptr double, ptr %s206, i64 %v214
  %v216 = load double, ptr %v215
  %v217 = fmul contract nsz arcp double %v216, 0x0000000000000000
  %v218 = fcmp oeq double %v217, 0x0000000000000000
  %v219 = getelementptr i64, ptr %s208, i64 %v214
  %v220 = load i64, ptr %v219
  %v221 = select i1 %v218, i64 %v220, i64 2
  %v222 = getelementptr i64, ptr %s208, i64 %v214
  store i64 %v221, ptr %v222
  %v223 = getelementptr i64, ptr %slots, i64 %v137
  %v224 = load i64, ptr %v223
  %v225 = icmp sge i64 %v224, 0
  br i1 %v225, label %then226, label %after226
then226:
  %v227 = getelementptr i64, ptr %s208, i64 %v214
  %v228 = load i64, ptr %v227
  %v229 = icmp eq i64 %v228, 0
  br i1 %v229, label %then230, label %after230
then230:
  %v231 = getelementptr i64, ptr %s210, i64 %v214
  %v232 = load i64, ptr %v231
  %v233 = mul i64 %v232, %interval_step
  %v234 = add i64 %v233, %v137
  %v235 = add i64 %v234, 1
  %v236 = getelementptr double, ptr %begins, i64 %v235
  %v237 = load double, ptr %v236
  %v238 = getelementptr double, ptr %s212, i64 %v214
  %v239 = load double, ptr %v238
  %v240 = fmul contract nsz arcp double %v2, %v237
  %v241 = fadd contract nsz arcp double %v239, %v240
  %v242 = getelementptr i64, ptr %s210, i64 %v214
  %v243 = load i64, ptr %v242
  %v244 = getelementptr i64, ptr %states_steps, i64 0
  %v245 = load i64, ptr %v244
  %v246 = mul i64 %v243, %v245
  %v247 = getelementptr i64, ptr %states_steps, i64 1
  %v248 = load i64, ptr %v247
  %v249 = mul i64 %v224, %v248
  %v250 = add i64 %v246, %v249
  %v251 = getelementptr i64, ptr %states_steps, i64 2
  %v252 = load i64, ptr %v251
  %v253 = getelementptr double, ptr %s206, i64 %v214
  %v254 = load double, ptr %v253
  %v255 = getelementptr double, ptr %states, i64 %v250
  store double %v254, ptr %v255
  br label %after230
after230:
  %v256 = getelementptr i64, ptr %s208, i64 %v214
  %v257 = load i64, ptr %v256
  %v258 = icmp ne i64 %v257, 0
  br i1 %v258, label %then259, label %after259
then259:
  %v260 = getelementptr i64, ptr %s210, i64 %v214
  %v261 = load i64, ptr %v260
  %v262 = getelementptr i64, ptr %states_steps, i64 0
  %v263 = load i64, ptr %v262
  %v264 = mul i64 %v261, %v263
  %v265 = getelementptr i64, ptr %states_steps, i64 1
  %v266 = load i64, ptr %v265
  %v267 = mul i64 %v224, %v266
  %v268 = add i64 %v264, %v267
  %v269 = getelementptr i64, ptr %states_steps, i64 2
  %v270 = load i64, ptr %v269
  %v271 = getelementptr double, ptr %states, i64 %v268
  store double 0x7FF8000000000000, ptr %v271
  br label %after259
after259:
  br label %after226
after226:
  %v272 = add i64 %v213, -1
  %v273 = and i64 %v213, %v272
  %v274 = icmp eq i64 %v273, 0
  br i1 %v274, label %after201, label %each201
after201:
  %v275 = load <16 x i64>, ptr %s208, align 64
  store <16 x i64> %v275, ptr %x83, align 64
  br label %skip201
skip201:
  %v276 = add nsw i64 %v137, 1
  br label %count136, !llvm.loop !0
done136:
  %v277 = load <16 x i1>, ptr %x81, align 64
  %v279 = bitcast <16 x i1> %v277 to i16
  %v280 = zext i16 %v279 to i64
  %v281 = icmp ne i64 %v280, 0
  br i1 %v281, label %enter278, label %skip278
enter278:
  %v282 = load <16 x i64>, ptr %x67, align 64
  store <16 x i64> %v282, ptr %s283, align 64
  %v284 = load <16 x i64>, ptr %x83, align 64
  store <16 x i64> %v284, ptr %s285, align 64
  %v286 = load <16 x double>, ptr %x71, align 64
  store <16 x double> %v286, ptr %s287, align 64
  %v288 = load <16 x double>, ptr %x69, align 64
  store <16 x double> %v288, ptr %s289, align 64
  %v290 = load <16 x double>, ptr %x75, align 64
  store <16 x double> %v290, ptr %s291, align 64
  br label %each278
each278:
  %v292 = phi i64 [ %v280, %enter278 ], [ %v321, %after310 ]
  %v293 = call i64 @llvm.cttz.i64(i64 %v292, i1 true)
  %v294 = getelementptr i64, ptr %s283, i64 %v293
  %v295 = load i64, ptr %v294
  %v296 = getelementptr i64, ptr %s285, i64 %v293
  %v297 = load i64, ptr %v296
  %v298 = getelementptr double, ptr %s287, i64 %v293
  %v299 = load double, ptr %v298
  %v300 = getelementptr double, ptr %s289, i64 %v293
  %v301 = load double, ptr %v300
  %v302 = fmul contract nsz arcp double %v2, %v299
  %v303 = fadd contract nsz arcp double %v301, %v302
  %v304 = trunc i64 %v297 to i8
  %v305 = getelementptr i8, ptr %status, i64 %v295
  store i8 %v304, ptr %v305
  %v306 = icmp eq i64 %v297, 0
  %v307 = getelementptr i64, ptr %final_steps, i64 1
  %v308 = load i64, ptr %v307
  %v309 = icmp sgt i64 %v308, 0
  br i1 %v309, label %then310, label %after310
then310:
  %v311 = getelementptr i64, ptr %final_steps, i64 0
  %v312 = load i64, ptr %v311
  %v313 = mul i64 %v295, %v312
  %v314 = getelementptr i64, ptr %final_steps, i64 1
  %v315 = load i64, ptr %v314
  %v316 = getelementptr double, ptr %s291, i64 %v293
  %v317 = load double, ptr %v316
  %v318 = select i1 %v306, double %v317, double 0x7FF8000000000000
  %v319 = getelementptr double, ptr %final, i64 %v313
  store double %v318, ptr %v319
  br label %after310
after310:
  %v320 = add i64 %v292, -1
  %v321 = and i64 %v292, %v320
  %v322 = icmp eq i64 %v321, 0
  br i1 %v322, label %after278, label %each278
after278:
  br label %skip278
skip278:
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
!0 = distinct !{!0, !1}
!1 = !{!"llvm.loop.unroll.disable"}
