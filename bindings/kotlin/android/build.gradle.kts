// One AAR with everything an app needs: the native libraries, the layer apps use, what UniFFI generated, and the parts for
// Android. Before it, run ./build-native.sh (jniLibs) and ../../generate.sh (the generated sources).
//
// Never run before 2026-11-28: there was no Android SDK where this was written. CI runs it (.github/workflows/android.yml).
buildscript {
    dependencies {
        // The plugin for Android brings an older one along.
        classpath("org.jetbrains.kotlin:kotlin-gradle-plugin:2.4.21")
    }
}

plugins {
    id("com.android.library") version "9.5.1"
    `maven-publish`
}

group = "com.fieldledger"
version = "0.1.0"

/** Where bindings/generate.sh has put its sources. */
val generated = providers.gradleProperty("fieldledger.uniffi").orElse("../generated/target/uniffi").get()

android {
    namespace = "com.fieldledger.android"
    compileSdk = 36

    defaultConfig {
        // java.time and the keystore as they are used here.
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
    }

    sourceSets["main"].kotlin.directories.addAll(
        listOf("src/main/kotlin", "../fieldledger/src/main/kotlin", "../generated/src/main/kotlin", "$generated/kotlin"),
    )

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    publishing {
        singleVariant("release") { withSourcesJar() }
    }
}

dependencies {
    api("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.11.0")
    // The archive for Android brings its own native part for each processor.
    api("net.java.dev.jna:jna:5.19.1@aar")
    api("androidx.work:work-runtime:2.12.0")
}

// A library that is missing, or not aligned for pages of 16 KB, is noticed here and not by an app's users.
val checkNative = tasks.register<Exec>("checkNative") {
    commandLine("./check-native.sh", "src/main/jniLibs")
}
tasks.named("preBuild") { dependsOn(checkNative) }

publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "fieldledger-android"
            afterEvaluate { from(components["release"]) }
        }
    }
}
