// The AAR. See docs/kotlin.md; never run before 2026-11-28, when it was written without an Android SDK at hand.
pluginManagement {
    repositories {
        google()
        mavenCentral()
    }
}

dependencyResolutionManagement {
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "fieldledger-android"
