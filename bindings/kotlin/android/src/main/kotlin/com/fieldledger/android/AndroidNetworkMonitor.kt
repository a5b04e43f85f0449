package com.fieldledger.android

import android.content.Context
import android.net.ConnectivityManager
import android.net.Network
import android.net.NetworkCapabilities
import com.fieldledger.NetworkMonitor
import com.fieldledger.NetworkState
import com.fieldledger.UploadPolicy

/**
 * What network the phone has, kept up to date by the system.
 *
 * @param policy what the person has chosen for photos.
 * @param onReturned called when a network is there again or has become another one, Wi-Fi say: `sync.networkReturned()`. Photos that
 *   wait for it go at once.
 */
public class AndroidNetworkMonitor(
    context: Context,
    private val policy: () -> UploadPolicy = { UploadPolicy.NotMetered },
    private val onReturned: () -> Unit = {},
) : NetworkMonitor, AutoCloseable {
    private val manager = context.applicationContext.getSystemService(ConnectivityManager::class.java)

    @Volatile
    private var current: NetworkState = of(manager.getNetworkCapabilities(manager.activeNetwork))

    private val callback = object : ConnectivityManager.NetworkCallback() {
        override fun onCapabilitiesChanged(network: Network, capabilities: NetworkCapabilities) {
            val before = current
            current = of(capabilities)
            if (current != before && current != NetworkState.None) onReturned()
        }

        override fun onLost(network: Network) {
            current = NetworkState.None
        }
    }

    init {
        manager.registerDefaultNetworkCallback(callback)
    }

    override fun state(): NetworkState = current

    override fun uploadPolicy(): UploadPolicy = policy()

    /** Listens no more. */
    override fun close() {
        manager.unregisterNetworkCallback(callback)
    }

    private fun of(capabilities: NetworkCapabilities?): NetworkState = when {
        // Not "validated": a company's own network may not lead to the internet, but to its server.
        capabilities == null || !capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_INTERNET) -> NetworkState.None
        !capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_METERED) -> NetworkState.Metered
        capabilities.hasTransport(NetworkCapabilities.TRANSPORT_WIFI) ||
            capabilities.hasTransport(NetworkCapabilities.TRANSPORT_ETHERNET) -> NetworkState.Wifi
        else -> NetworkState.Unmetered
    }
}
