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
  %counts_place = getelementptr i8, ptr %packed, i64 104
  %counts = load ptr, ptr %counts_place, align 8
  %sizes_place = getelementptr i8, ptr %packed, i64 112
  %sizes = load ptr, ptr %sizes_place, align 8
  %begins_place = getelementptr i8, ptr %packed, i64 120
  %begins = load ptr, ptr %begins_place, align 8
  %ends_place = getelementptr i8, ptr %packed, i64 128
  %ends = load ptr, ptr %ends_place, align 8
  %slots_place = getelementptr i8, ptr %packed, i64 136
  %slots = load ptr, ptr %slots_place, align 8
  %intervals_place = getelementptr i8, ptr %packed, i64 144
  %intervals = load i64, ptr %intervals_place, align 8
  %interval_step_place = getelementptr i8, ptr %packed, i64 152
  %interval_step = load i64, ptr %interval_step_place, align 8
  %states_place = getelementptr i8, ptr %packed, i64 160
  %states = load ptr, ptr %states_place, align 8
  %final_place = getelementptr i8, ptr %packed, i64 168
  %final = load ptr, ptr %final_place, align 8
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
  call void @integrate(i64 %first, i64 %runs, i64 %share, ptr %values, ptr %sources, ptr %spans, i64 %span_step, ptr %settings, ptr %atol, i64 %most_attempts, ptr %stop, ptr %strides, ptr %status, ptr %counts, ptr %sizes, ptr %begins, ptr %ends, ptr %slots, i64 %intervals, i64 %interval_step, ptr %states, ptr %final, ptr %own, i64 %begin, i64 %end_)
  %next = add i64 %index, 1
  br label %each
end:
  call void @llvm.x86.sse.ldmxcsr(ptr %mode_before)
  ret i64 0
}

define internal void @integrate(i64 %first, i64 %runs, i64 %share, ptr noalias %values, ptr noalias %sources, ptr noalias %spans, i64 %span_step, ptr noalias %settings, ptr noalias %atol, i64 %most_attempts, ptr noalias %stop, ptr noalias %strides, ptr noalias %status, ptr noalias %counts, ptr noalias %sizes, ptr noalias %begins, ptr noalias %ends, ptr noalias %slots, i64 %intervals, i64 %interval_step, ptr noalias %states, ptr noalias %final, ptr noalias %work, i64 %begin, i64 %end_) #2 {
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
  %x88 = alloca i64, align 64
  %x90 = alloca <16 x double>, align 64
  %x116 = alloca <16 x i64>, align 64
  %x143 = alloca <16 x i64>, align 64
  %x182 = alloca i64, align 64
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
  %s218 = alloca <16 x double>, align 64
  %s220 = alloca <16 x i64>, align 64
  %s222 = alloca <16 x i64>, align 64
  %s224 = alloca <16 x double>, align 64
  %s301 = alloca <16 x i64>, align 64
  %s303 = alloca <16 x i64>, align 64
  %s305 = alloca <16 x double>, align 64
  %s307 = alloca <16 x double>, align 64
  %s309 = alloca <16 x double>, align 64
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
  store i64 zeroinitializer, ptr %x88, align 64
  store <16 x double> zeroinitializer, ptr %x90, align 64
  store <16 x i64> zeroinitializer, ptr %x116, align 64
  store <16 x i64> zeroinitializer, ptr %x143, align 64
  store i64 zeroinitializer, ptr %x182, align 64
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
  store i64 0, ptr %x88, align 64
  %v32 = select i1 true, i64 65535, i64 0
  %v33 = icmp ne i64 %v32, 0
  br i1 %v33, label %enter31, label %skip31
enter31:
  %v34 = load <16 x i1>, ptr %x81, align 64
  %v35 = zext <16 x i1> %v34 to <16 x i8>
  store <16 x i8> %v35, ptr %s36, align 64
  %v37 = load <16 x i64>, ptr %x67, align 64
  store <16 x i64> %v37, ptr %s38, align 64
  %v39 = load <16 x i64>, ptr %x116, align 64
  store <16 x i64> %v39, ptr %s40, align 64
  %v41 = load <16 x double>, ptr %x75, align 64
  store <16 x double> %v41, ptr %s42, align 64
  %v43 = load <16 x i64>, ptr %x143, align 64
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
  %v53 = phi i64 [ %v32, %enter31 ], [ %v127, %after99 ]
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
  %v124 = load i64, ptr %x82, align 64
  %v125 = add i64 %v124, 1
  store i64 %v125, ptr %x82, align 64
  %v126 = add i64 %v53, -1
  %v127 = and i64 %v53, %v126
  %v128 = icmp eq i64 %v127, 0
  br i1 %v128, label %after31, label %each31
after31:
  %v129 = load <16 x i8>, ptr %s36, align 64
  %v130 = trunc <16 x i8> %v129 to <16 x i1>
  store <16 x i1> %v130, ptr %x81, align 64
  %v131 = load <16 x i64>, ptr %s38, align 64
  store <16 x i64> %v131, ptr %x67, align 64
  %v132 = load <16 x i64>, ptr %s40, align 64
  store <16 x i64> %v132, ptr %x116, align 64
  %v133 = load <16 x double>, ptr %s42, align 64
  store <16 x double> %v133, ptr %x75, align 64
  %v134 = load <16 x i64>, ptr %s44, align 64
  store <16 x i64> %v134, ptr %x143, align 64
  %v135 = load <16 x double>, ptr %s46, align 64
  store <16 x double> %v135, ptr %x76, align 64
  %v136 = load <16 x double>, ptr %s48, align 64
  store <16 x double> %v136, ptr %x69, align 64
  %v137 = load <16 x double>, ptr %s50, align 64
  store <16 x double> %v137, ptr %x71, align 64
  %v138 = load <16 x double>, ptr %s52, align 64
  store <16 x double> %v138, ptr %x73, align 64
  br label %skip31
skip31:
  br label %count139
count139:
  %v140 = phi i64 [ 0, %skip31 ], [ %v294, %after291 ]
  %v141 = icmp slt i64 %v140, %intervals
  br i1 %v141, label %counted139, label %done139
counted139:
  %v143 = select i1 true, i64 65535, i64 0
  %v144 = icmp ne i64 %v143, 0
  br i1 %v144, label %enter142, label %skip142
enter142:
  %v145 = load <16 x i64>, ptr %x67, align 64
  store <16 x i64> %v145, ptr %s146, align 64
  %v147 = load <16 x double>, ptr %x85, align 64
  store <16 x double> %v147, ptr %s148, align 64
  %v149 = load <16 x double>, ptr %x90, align 64
  store <16 x double> %v149, ptr %s150, align 64
  br label %each142
each142:
  %v151 = phi i64 [ %v143, %enter142 ], [ %v165, %each142 ]
  %v152 = call i64 @llvm.cttz.i64(i64 %v151, i1 true)
  %v153 = getelementptr i64, ptr %s146, i64 %v152
  %v154 = load i64, ptr %v153
  %v155 = add i64 %first, %v154
  %v156 = mul i64 %v155, %interval_step
  %v157 = add i64 %v156, %v140
  %v158 = getelementptr double, ptr %sizes, i64 %v157
  %v159 = load double, ptr %v158
  %v160 = getelementptr double, ptr %s148, i64 %v152
  store double %v159, ptr %v160
  %v161 = getelementptr double, ptr %begins, i64 %v157
  %v162 = load double, ptr %v161
  %v163 = getelementptr double, ptr %s150, i64 %v152
  store double %v162, ptr %v163
  %v164 = add i64 %v151, -1
  %v165 = and i64 %v151, %v164
  %v166 = icmp eq i64 %v165, 0
  br i1 %v166, label %after142, label %each142
after142:
  %v167 = load <16 x double>, ptr %s148, align 64
  store <16 x double> %v167, ptr %x85, align 64
  %v168 = load <16 x double>, ptr %s150, align 64
  store <16 x double> %v168, ptr %x90, align 64
  br label %skip142
skip142:
  %v169 = load <16 x double>, ptr %x85, align 64
  %v170 = load <16 x double>, ptr %x90, align 64
  %v171 = insertelement <16 x double> poison, double %v2, i64 0
  %v172 = shufflevector <16 x double> %v171, <16 x double> poison, <16 x i32> zeroinitializer
  %v173 = fmul contract nsz arcp <16 x double> %v169, %v172
  store i64 0, ptr %x182, align 64
  br label %loop174
loop174:
  %v175 = getelementptr i64, ptr %counts, i64 %v140
  %v176 = load i64, ptr %v175
  %v177 = load i64, ptr %x182, align 64
  %v178 = sub i64 %v176, %v177
  %v179 = icmp sle i64 %v178, 0
  br i1 %v179, label %left174, label %stay180
stay180:
  %v181 = getelementptr i64, ptr %stop, i64 0
  %v182 = load volatile i64, ptr %v181
  %v183 = icmp ne i64 %v182, 0
  br i1 %v183, label %end, label %on184
on184:
  %v185 = icmp slt i64 %v178, 256
  %v186 = select i1 %v185, i64 %v178, i64 256
  br label %count187
count187:
  %v188 = phi i64 [ 0, %on184 ], [ %v209, %counted187 ]
  %v189 = icmp slt i64 %v188, %v186
  br i1 %v189, label %counted187, label %done187
counted187:
  %v190 = load i64, ptr %x182, align 64
  %v191 = add i64 %v190, %v188
  %v192 = sitofp i64 %v191 to double
  %v193 = insertelement <16 x double> poison, double %v192, i64 0
  %v194 = shufflevector <16 x double> %v193, <16 x double> poison, <16 x i32> zeroinitializer
  %v195 = fmul contract nsz arcp <16 x double> %v194, %v169
  %v196 = fadd contract nsz arcp <16 x double> %v170, %v195
  %v197 = load <16 x double>, ptr %x69, align 64
  %v198 = insertelement <16 x double> poison, double %v2, i64 0
  %v199 = shufflevector <16 x double> %v198, <16 x double> poison, <16 x i32> zeroinitializer
  %v200 = fmul contract nsz arcp <16 x double> %v199, %v196
  %v201 = fadd contract nsz arcp <16 x double> %v197, %v200
  %v202 = load <16 x double>, ptr %x75, align 64
  %v203 = load <16 x double>, ptr %x76, align 64
  %v204 = fneg contract nsz arcp <16 x double> %v203
  %v205 = fmul contract nsz arcp <16 x double> %v202, %v204
  %v206 = load <16 x double>, ptr %x75, align 64
  %v207 = fmul contract nsz arcp <16 x double> %v173, %v205
  %v208 = fadd contract nsz arcp <16 x double> %v206, %v207
  store <16 x double> %v208, ptr %x75, align 64
  %v209 = add nsw i64 %v188, 1
  br label %count187, !llvm.loop !0
done187:
  %v210 = load i64, ptr %x182, align 64
  %v211 = add i64 %v210, %v186
  store i64 %v211, ptr %x182, align 64
  br label %loop174
left174:
  %v212 = load <16 x i1>, ptr %x81, align 64
  %v214 = bitcast <16 x i1> %v212 to i16
  %v215 = zext i16 %v214 to i64
  %v216 = icmp ne i64 %v215, 0
  br i1 %v216, label %enter213, label %skip213
enter213:
  %v217 = load <16 x double>, ptr %x75, align 64
  store <16 x double> %v217, ptr %s218, align 64
  %v219 = load <16 x i64>, ptr %x83, align 64
  store <16 x i64> %v219, ptr %s220, align 64
  %v221 = load <16 x i64>, ptr %x67, align 64
  store <16 x i64> %v221, ptr %s222, align 64
  %v223 = load <16 x double>, ptr %x69, align 64
  store <16 x double> %v223, ptr %s224, align 64
  br label %each213
each213:
  %v225 = phi i64 [ %v215, %enter213 ], [ %v285, %after238 ]
  %v226 = call i64 @llvm.cttz.i64(i64 %v225, i1 true)
  %v227 = getelementptr double, ptr %s218, i64 %v226
  %v228 = load double, ptr %v227
  %v229 = fmul contract nsz arcp double %v228, 0x0000000000000000
  %v230 = fcmp oeq double %v229, 0x0000000000000000
  %v231 = getelementptr i64, ptr %s220, i64 %v226
  %v232 = load i64, ptr %v231
  %v233 = select i1 %v230, i64 %v232, i64 2
  %v234 = getelementptr i64, ptr %s220, i64 %v226
  store i64 %v233, ptr %v234
  %v235 = getelementptr i64, ptr %slots, i64 %v140
  %v236 = load i64, ptr %v235
  %v237 = icmp sge i64 %v236, 0
  br i1 %v237, label %then238, label %after238
then238:
  %v239 = getelementptr i64, ptr %s220, i64 %v226
  %v240 = load i64, ptr %v239
  %v241 = icmp eq i64 %v240, 0
  br i1 %v241, label %then242, label %after242
then242:
  %v243 = getelementptr i64, ptr %s222, i64 %v226
  %v244 = load i64, ptr %v243
  %v245 = add i64 %first, %v244
  %v246 = mul i64 %v245, %interval_step
  %v247 = add i64 %v246, %v140
  %v248 = getelementptr double, ptr %ends, i64 %v247
  %v249 = load double, ptr %v248
  %v250 = getelementptr double, ptr %s224, i64 %v226
  %v251 = load double, ptr %v250
  %v252 = fmul contract nsz arcp double %v2, %v249
  %v253 = fadd contract nsz arcp double %v251, %v252
  %v254 = getelementptr i64, ptr %s222, i64 %v226
  %v255 = load i64, ptr %v254
  %v256 = getelementptr i64, ptr %strides, i64 2
  %v257 = load i64, ptr %v256
  %v258 = getelementptr i64, ptr %strides, i64 0
  %v259 = load i64, ptr %v258
  %v260 = mul i64 %v255, %v259
  %v261 = getelementptr i64, ptr %strides, i64 1
  %v262 = load i64, ptr %v261
  %v263 = mul i64 %v236, %v262
  %v264 = add i64 %v260, %v263
  %v265 = getelementptr double, ptr %s218, i64 %v226
  %v266 = load double, ptr %v265
  %v267 = getelementptr double, ptr %states, i64 %v264
  store double %v266, ptr %v267
  br label %after242
after242:
  %v268 = getelementptr i64, ptr %s220, i64 %v226
  %v269 = load i64, ptr %v268
  %v270 = icmp ne i64 %v269, 0
  br i1 %v270, label %then271, label %after271
then271:
  %v272 = getelementptr i64, ptr %s222, i64 %v226
  %v273 = load i64, ptr %v272
  %v274 = getelementptr i64, ptr %strides, i64 2
  %v275 = load i64, ptr %v274
  %v276 = getelementptr i64, ptr %strides, i64 0
  %v277 = load i64, ptr %v276
  %v278 = mul i64 %v273, %v277
  %v279 = getelementptr i64, ptr %strides, i64 1
  %v280 = load i64, ptr %v279
  %v281 = mul i64 %v236, %v280
  %v282 = add i64 %v278, %v281
  %v283 = getelementptr double, ptr %states, i64 %v282
  store double 0x7FF8000000000000, ptr %v283
  br label %after271
after271:
  br label %after238
after238:
  %v284 = add i64 %v225, -1
  %v285 = and i64 %v225, %v284
  %v286 = icmp eq i64 %v285, 0
  br i1 %v286, label %after213, label %each213
after213:
  %v287 = load <16 x i64>, ptr %s220, align 64
  store <16 x i64> %v287, ptr %x83, align 64
  br label %skip213
skip213:
  %v288 = getelementptr i64, ptr %slots, i64 %v140
  %v289 = load i64, ptr %v288
  %v290 = icmp sge i64 %v289, 0
  br i1 %v290, label %then291, label %after291
then291:
  %v292 = load i64, ptr %x88, align 64
  %v293 = add i64 %v292, 1
  store i64 %v293, ptr %x88, align 64
  br label %after291
after291:
  %v294 = add nsw i64 %v140, 1
  br label %count139, !llvm.loop !0
done139:
  %v295 = load <16 x i1>, ptr %x81, align 64
  %v297 = bitcast <16 x i1> %v295 to i16
  %v298 = zext i16 %v297 to i64
  %v299 = icmp ne i64 %v298, 0
  br i1 %v299, label %enter296, label %skip296
enter296:
  %v300 = load <16 x i64>, ptr %x67, align 64
  store <16 x i64> %v300, ptr %s301, align 64
  %v302 = load <16 x i64>, ptr %x83, align 64
  store <16 x i64> %v302, ptr %s303, align 64
  %v304 = load <16 x double>, ptr %x71, align 64
  store <16 x double> %v304, ptr %s305, align 64
  %v306 = load <16 x double>, ptr %x69, align 64
  store <16 x double> %v306, ptr %s307, align 64
  %v308 = load <16 x double>, ptr %x75, align 64
  store <16 x double> %v308, ptr %s309, align 64
  br label %each296
each296:
  %v310 = phi i64 [ %v298, %enter296 ], [ %v340, %after334 ]
  %v311 = call i64 @llvm.cttz.i64(i64 %v310, i1 true)
  %v312 = getelementptr i64, ptr %s301, i64 %v311
  %v313 = load i64, ptr %v312
  %v314 = getelementptr i64, ptr %s303, i64 %v311
  %v315 = load i64, ptr %v314
  %v316 = getelementptr double, ptr %s305, i64 %v311
  %v317 = load double, ptr %v316
  %v318 = getelementptr double, ptr %s307, i64 %v311
  %v319 = load double, ptr %v318
  %v320 = fmul contract nsz arcp double %v2, %v317
  %v321 = fadd contract nsz arcp double %v319, %v320
  %v322 = load i64, ptr %x88, align 64
  %v323 = trunc i64 %v315 to i8
  %v324 = getelementptr i8, ptr %status, i64 %v313
  store i8 %v323, ptr %v324
  %v325 = icmp eq i64 %v315, 0
  %v326 = getelementptr i64, ptr %strides, i64 3
  %v327 = load i64, ptr %v326
  %v328 = mul i64 %v313, %v327
  %v329 = getelementptr i64, ptr %strides, i64 4
  %v330 = load i64, ptr %v329
  %v331 = getelementptr i64, ptr %strides, i64 7
  %v332 = load i64, ptr %v331
  %v333 = icmp ne i64 %v332, 0
  br i1 %v333, label %then334, label %after334
then334:
  %v335 = getelementptr double, ptr %s309, i64 %v311
  %v336 = load double, ptr %v335
  %v337 = select i1 %v325, double %v336, double 0x7FF8000000000000
  %v338 = getelementptr double, ptr %final, i64 %v328
  store double %v337, ptr %v338
  br label %after334
after334:
  %v339 = add i64 %v310, -1
  %v340 = and i64 %v310, %v339
  %v341 = icmp eq i64 %v340, 0
  br i1 %v341, label %after296, label %each296
after296:
  br label %skip296
skip296:
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
